"""What every long-running program needs: settings, clock, journal, signals, files."""
