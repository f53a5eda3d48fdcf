"""A mail server by aiosmtpd. Prints its port, then each mail that it took as a line of JSON. Arguments are JSON:

tls        starttls, tls or none
folder     with cert.pem and key.pem
user       who may log in, with `password`; without it no login is asked for
refuse     recipients that get a 550, and `later` those that get a 450
content    the answer to the content, in place of 250; "close" = the connection is closed after it was read
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

given = json.loads(sys.argv[1])


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in given.get("refuse", []):
            return "550 5.1.1 no such user"
        if address in given.get("later", []):
            return "450 4.2.1 mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        content = given.get("content", "250 2.0.0 queued as 4711")
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode(),
            "encrypted": session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            "login": session.authenticated,
        }
        print(json.dumps(mail), flush=True)
        if content == "close":
            server.transport.abort()
            return None
        if content == "hang":
            await asyncio.sleep(3600)
        return content


def login(server, session, envelope, mechanism, data):
    known = (given["user"].encode(), given["password"].encode())
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == known
    # Not handled: the server itself says 535.
    return AuthResult(success=is_known, handled=is_known)


async def main():
    tls = given["tls"]
    context = None
    if tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(given["folder"] + "/cert.pem", given["folder"] + "/key.pem")
    more = {"authenticator": login, "auth_required": True} if "user" in given else {}

    def protocol():
        starttls = context if tls == "starttls" else None
        return SMTP(Handler(), hostname="mail.test", tls_context=starttls, auth_require_tls=tls == "starttls", **more)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if tls == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
