"""Personal numbers made up from a seed, as people write them, and a search for them in bytes."""

import random
import re

PROVINCES = (11, 13, 23, 31, 32, 33, 44, 51, 54, 65, 82)
CARDS = (("621700", 19), ("622202", 19), ("6228", 19), ("62284", 16), ("4", 16), ("53", 16),
         ("37", 15), ("3528", 16), ("955880", 19))
WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
NARROW = str.maketrans("０１２３４５６７８９Ｘ", "0123456789X")


def identity(seed):
    """18 digits by ISO 7064, MOD 11-2, as GB 11643 has them."""
    digits = (f"{seed.choice(PROVINCES)}{seed.randrange(10000):04}{seed.randrange(1900, 2026)}"
              f"{seed.randrange(1, 13):02}{seed.randrange(1, 29):02}{seed.randrange(1000):03}")
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2 % 11
    return digits + "10X98765432"[total]


def old_identity(seed):
    return (f"{seed.choice(PROVINCES)}{seed.randrange(10000):04}{seed.randrange(30, 100)}"
            f"{seed.randrange(1, 13):02}{seed.randrange(1, 29):02}{seed.randrange(1000):03}")


def mobile(seed):
    return f"1{seed.randrange(3, 10)}{seed.randrange(10 ** 9):09}"


def card(seed):
    begin, length = seed.choice(CARDS)
    digits = begin + "".join(str(seed.randrange(10)) for _ in range(length - 1 - len(begin)))
    total = sum(sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10))
                for place, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def groups(seed, make, digits):
    """How many digits stand together, where people leave room."""
    if make is card:
        return (4, 6, 5) if len(digits) == 15 else (4, 4, 4, 4, 4)
    return seed.choice({identity: ((6, 8, 4), (6, 4, 4, 4)), old_identity: ((6, 6, 3),),
                        mobile: ((3, 4, 4), (4, 4, 3), (3, 8))}[make])


def written(seed, make, digits):
    """The digits as somebody might have typed them."""
    text = digits
    if seed.random() < 0.4:
        parts, rest = [], digits
        for size in groups(seed, make, digits):
            parts.append(rest[:size])
            rest = rest[size:]
        text = seed.choice((" ", "-", "　", " - ")).join(part for part in parts if part)
    if seed.random() < 0.25:
        text = text.translate(WIDE)
    if make is mobile and seed.random() < 0.3:
        text = seed.choice(("+86", "+86 ", "0086", "86", "0")) + text
    return text


class Thrown:
    """Numbers that were made up, and whether any of them is in what came back."""

    def __init__(self, seed):
        self.seed = random.Random(seed)
        self.numbers = set()

    def number(self, kinds=(identity, old_identity, mobile, card), plain=False):
        make = self.seed.choice(kinds)
        digits = make(self.seed)
        self.numbers.add(digits)
        return digits if plain else written(self.seed, make, digits)

    def found_in(self, data):
        """Those whose digits follow one another in the bytes, whatever stands between them."""
        text = data.decode("utf-8", "replace").translate(NARROW).upper()
        runs = re.sub(r"[^0-9X]", "", text)
        return [number for number in self.numbers if number in runs]
