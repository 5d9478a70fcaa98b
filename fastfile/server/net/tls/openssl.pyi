import ssl

from fastfile.server.net.tls.channel import Channel

def why_unusable() -> str: ...

class OpensslChannels:
    def open(self, context: ssl.SSLContext) -> Channel: ...
