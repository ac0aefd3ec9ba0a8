"""A certificate that no authority knows, for servers that speak TLS."""

import subprocess
from pathlib import Path

FOR_A_WEEK = ("req", "-x509", "-nodes", "-days", "7", "-newkey", "ec",
              "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=tests of publishing",
              "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")  # fmt: skip
PUBLIC, PRIVATE = "public.crt", "private.key"  # the names that MinIO looks for


def make_certificate(folder: Path) -> Path:
    """Write a new key and its certificate into a folder; the certificate is its own authority.

    Returns:
        The certificate, which is what a client is given as its CA file.

    Raises:
        subprocess.CalledProcessError: The program ``openssl`` refused.
    """
    files = ("-keyout", folder / PRIVATE, "-out", folder / PUBLIC)
    subprocess.run(["openssl", *FOR_A_WEEK, *files], check=True, capture_output=True)
    return folder / PUBLIC
