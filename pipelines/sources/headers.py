"""Column names that are spelt in several ways: accents, case, blanks and points do not count."""

import re
import unicodedata


def plain(name: str) -> str:
    r"""A name in capitals without accents; whatever is no letter or digit is one blank.

    Example:
        >>> plain("PRECIPITA\xc7\xc3O TOTAL,\xa0HOR\xc1RIO (mm)")
        'PRECIPITACAO TOTAL HORARIO MM'
    """
    letters = unicodedata.normalize("NFKD", name)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^A-Z0-9]+", " ", bare.upper()).strip()
