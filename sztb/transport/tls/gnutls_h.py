"""The C declarations of the GnuTLS functions we call, as cffi reads them (GnuTLS 3.7 or later).

`_gnutls_abi.py` is made from this text by ``scripts/documents.py``, so that no device parses C when
it starts.
"""

DECLARATIONS = """
typedef struct { unsigned char *data; unsigned int size; } gnutls_datum_t;
typedef struct {
    unsigned int record_seq; unsigned int hsk_read_seq; unsigned int hsk_write_seq;
} gnutls_dtls_prestate_st;
typedef struct { void *pubkey; gnutls_datum_t cert; int type; } gnutls_pcert_st;
typedef void *gnutls_session_t;
typedef void *gnutls_priority_t;
typedef void *gnutls_certificate_credentials_t;
typedef void *gnutls_privkey_t;

typedef ssize_t (*gnutls_pull_func)(void *, void *, size_t);
typedef ssize_t (*gnutls_push_func)(void *, const void *, size_t);
typedef int (*gnutls_pull_timeout_func)(void *, unsigned int);
typedef int (*gnutls_privkey_sign_data_func)(
    void *key, int algorithm, void *userdata, unsigned int flags,
    const gnutls_datum_t *data, gnutls_datum_t *signature);
typedef int (*gnutls_privkey_sign_hash_func)(
    void *key, int algorithm, void *userdata, unsigned int flags,
    const gnutls_datum_t *hash, gnutls_datum_t *signature);
typedef int (*gnutls_privkey_info_func)(void *key, unsigned int flags, void *userdata);

const char *gnutls_check_version(const char *);
const char *gnutls_strerror(int);
int gnutls_error_is_fatal(int);
int gnutls_error_to_alert(int error, int *level);
int gnutls_rnd(int level, void *data, size_t size);
extern void *(*gnutls_malloc)(size_t);
extern void (*gnutls_free)(void *);

int gnutls_priority_init(gnutls_priority_t *, const char *priorities, const char **error_position);
void gnutls_priority_deinit(gnutls_priority_t);

int gnutls_certificate_allocate_credentials(gnutls_certificate_credentials_t *);
void gnutls_certificate_free_credentials(gnutls_certificate_credentials_t);
int gnutls_certificate_set_key(
    gnutls_certificate_credentials_t, const char **names, int names_size,
    gnutls_pcert_st *, int pcert_list_size, gnutls_privkey_t);
int gnutls_pcert_import_x509_raw(
    gnutls_pcert_st *, const gnutls_datum_t *, int format, unsigned int flags);
int gnutls_pcert_import_rawpk_raw(
    gnutls_pcert_st *, const gnutls_datum_t *spki, int format, unsigned int key_usage,
    unsigned int flags);
void gnutls_pcert_deinit(gnutls_pcert_st *);
int gnutls_privkey_init(gnutls_privkey_t *);
void gnutls_privkey_deinit(gnutls_privkey_t);
int gnutls_privkey_import_x509_raw(
    gnutls_privkey_t, const gnutls_datum_t *, int format, const char *password, unsigned int flags);
int gnutls_privkey_import_ext4(
    gnutls_privkey_t, void *userdata, gnutls_privkey_sign_data_func,
    gnutls_privkey_sign_hash_func, void *decrypt_func, void *deinit_func,
    gnutls_privkey_info_func, unsigned int flags);

int gnutls_init(gnutls_session_t *, unsigned int flags);
void gnutls_deinit(gnutls_session_t);
int gnutls_priority_set(gnutls_session_t, gnutls_priority_t);
int gnutls_credentials_set(gnutls_session_t, int type, void *credentials);
void gnutls_certificate_server_set_request(gnutls_session_t, int request);
int gnutls_alpn_set_protocols(
    gnutls_session_t, const gnutls_datum_t *, unsigned int count, unsigned int flags);
int gnutls_alpn_get_selected_protocol(gnutls_session_t, gnutls_datum_t *);
int gnutls_server_name_set(gnutls_session_t, int type, const void *name, size_t size);
ssize_t gnutls_record_set_max_size(gnutls_session_t, size_t size);
size_t gnutls_record_get_max_size(gnutls_session_t);
void gnutls_handshake_set_max_packet_length(gnutls_session_t, size_t);

void gnutls_transport_set_ptr(gnutls_session_t, void *);
void gnutls_transport_set_push_function(gnutls_session_t, gnutls_push_func);
void gnutls_transport_set_pull_function(gnutls_session_t, gnutls_pull_func);
void gnutls_transport_set_pull_timeout_function(gnutls_session_t, gnutls_pull_timeout_func);

void gnutls_dtls_set_mtu(gnutls_session_t, unsigned int mtu);
unsigned int gnutls_dtls_get_data_mtu(gnutls_session_t);
void gnutls_dtls_set_timeouts(gnutls_session_t, unsigned int retransmit_ms, unsigned int total_ms);
int gnutls_dtls_cookie_send(
    gnutls_datum_t *key, void *client_data, size_t client_data_size, gnutls_dtls_prestate_st *,
    void *ptr, gnutls_push_func);
int gnutls_dtls_cookie_verify(
    gnutls_datum_t *key, void *client_data, size_t client_data_size, void *message, size_t size,
    gnutls_dtls_prestate_st *);
void gnutls_dtls_prestate_set(gnutls_session_t, gnutls_dtls_prestate_st *);

int gnutls_handshake(gnutls_session_t);
int gnutls_bye(gnutls_session_t, int how);
int gnutls_alert_get(gnutls_session_t);
int gnutls_alert_send(gnutls_session_t, int level, int description);
ssize_t gnutls_record_send(gnutls_session_t, const void *, size_t);
ssize_t gnutls_record_recv(gnutls_session_t, void *, size_t);
unsigned int gnutls_record_get_discarded(gnutls_session_t);
const gnutls_datum_t *gnutls_certificate_get_peers(gnutls_session_t, unsigned int *count);
int gnutls_session_channel_binding(gnutls_session_t, int type, gnutls_datum_t *);
int gnutls_prf_rfc5705(
    gnutls_session_t, size_t label_size, const char *label, size_t context_size,
    const char *context, size_t size, char *out);
"""
