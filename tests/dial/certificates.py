"""Certificates that hosts show in tests."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jetpay.security.address_table import canonical

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """Each signs itself; who is to be trusted is said by name."""

    folder: Path

    def server(self, name: str, *, age: timedelta = timedelta()) -> ssl.SSLContext:
        """What a host of that name serves with; its certificate is good for a day from `age`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = self._file(name)
        path.write_bytes(_certificate(name, datetime.now(UTC) - age))
        context.load_cert_chain(path)
        return context

    def trusting(self, *names: str) -> ssl.SSLContext:
        """What a caller checks hosts with."""
        context = ssl.create_default_context()
        for name in names:
            context.load_verify_locations(self._file(name))
        return context

    def _file(self, name: str) -> Path:
        return self.folder / f"{name.replace(':', '-')}.pem"


def _certificate(name: str, since: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    shown = x509.DNSName(name) if canonical(name) is None else x509.IPAddress(ip_address(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since - DAY)
        .not_valid_after(since + DAY)
        .add_extension(x509.SubjectAlternativeName([shown]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + made.public_bytes(Encoding.PEM)
