"""aiocoap as the other end of a DTLS association: a foreign CoAP over our DTLS."""

import asyncio

from aiocoap import Context, Message, interfaces
from aiocoap.messagemanager import MessageManager
from aiocoap.tokenmanager import TokenManager

from sztb.transport.dtls import DtlsClient, DtlsServer
from sztb.transport.tls.config import ServerTls

from .coaps import client_tls, registrar


class Remote(interfaces.EndpointAddress):
    """An association as aiocoap addresses it."""

    scheme = "coaps"
    hostinfo = hostinfo_local = "peer"
    uri_base = uri_base_local = "coaps://peer"
    is_multicast = is_multicast_locally = False
    maximum_block_size_exp = 5
    maximum_payload_size = 900

    def __init__(self, association):
        self.association = association

    @property
    def blockwise_key(self):
        return (id(self.association),)

    def as_response_address(self):
        return self


class Interface:
    """A message interface of aiocoap and an association handler of ours."""

    def __init__(self, manager):
        self.manager = manager
        self.remotes = {}

    def established(self, association):
        self.remotes[association] = Remote(association)

    def received(self, association, data):
        self.manager.dispatch_message(Message.decode(data, self.remotes[association]))

    def closed(self, association, error):
        self.manager.dispatch_error(ConnectionError("closed"), self.remotes.pop(association))

    def send(self, message):
        message.remote.association.send(message.encode())

    async def recognize_remote(self, remote):
        return isinstance(remote, Remote)

    async def determine_remote(self, message):
        return None

    async def shutdown(self):
        for association in list(self.remotes):
            association.close()


def _context(site=None):
    context = Context(loop=asyncio.get_running_loop(), serversite=site)
    tokens = TokenManager(context)
    messages = MessageManager(tokens)
    messages.message_interface = Interface(messages)
    tokens.token_interface = messages
    context.request_interfaces.append(tokens)
    return context, messages.message_interface


class AiocoapClient:
    """Sends aiocoap requests over one association."""

    @classmethod
    async def connect(cls, address):
        client = cls()
        client.context, interface = _context()
        association = await DtlsClient.connect(address, client_tls(), interface, timeout=10)
        client.remote = interface.remotes[association]
        return client

    async def request(self, code, path, payload=b"", **options):
        message = Message(code=code, payload=payload, uri_path=path, **options)
        message.remote = self.remote
        async with asyncio.timeout(10):
            return await self.context.request(message).response

    async def close(self):
        await self.context.shutdown()


class AiocoapServer:
    """An aiocoap site behind our DTLS."""

    @classmethod
    async def bind(cls, site):
        server = cls()
        server.context, interface = _context(site)
        server.dtls = await DtlsServer.bind("127.0.0.1", 0, ServerTls(registrar()), interface)
        server.address = server.dtls.address
        return server

    async def close(self):
        await self.context.shutdown()
        await self.dtls.close()
