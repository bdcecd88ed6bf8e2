"""The values that stand in the texts of the extraction: how they are written and what they are as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

from ..draw import Draw
from ..words import is_held_out


@dataclass(frozen=True)
class Value:
    #: As it stands in the text.
    text: str
    #: As it is to be extracted.
    data: str | int | float


def pick_of_split(draw: Draw, choices: Sequence[str]) -> str:
    """One of those that belong to the split."""
    return draw.pick([one for one in choices if is_held_out(one) == (draw.split == "test")] or choices)


def _same(text: str) -> Value:
    return Value(text, text)


def _number(number: int | float) -> Value:
    return Value(str(number), number)


def _person(draw: Draw) -> Value:
    kind = draw.random.random()
    first = draw.person()
    if kind < 0.45:
        return _same(first)
    if kind < 0.85:
        return _same(f"{first} {_surname(draw)}")
    if kind < 0.92:
        return _same(f"{first} {draw.pick('ABCDEFGHJKLMNPRST')}. {_surname(draw)}")
    return _same(f"{draw.pick(['Dr.', 'Mr', 'Mrs', 'Ms', 'Prof.'])} {_surname(draw)}")


def _surname(draw: Draw) -> str:
    return pick_of_split(draw, _SURNAMES) if draw.chance(0.6) else draw.invented_word().capitalize()


def _city(draw: Draw) -> Value:
    return _same(pick_of_split(draw, CITIES) if draw.chance(0.7) else draw.invented_word().capitalize())


def _company(draw: Draw) -> Value:
    name = draw.invented_word() if draw.chance(0.5) else draw.pick(draw.words.common)
    if draw.chance(0.3):
        name += f" {draw.pick(draw.words.common)}"
    return _same(f"{name.title()} {draw.pick(_COMPANY_ENDINGS)}".strip())


def _product(draw: Draw) -> Value:
    name = pick_of_split(draw, _PRODUCTS)
    if draw.chance(0.25):
        name += f" {draw.pick('ABCDEXZ')}{draw.number(1, 900)}"
    return _same(name)


def _price(draw: Draw) -> Value:
    number: int | float = draw.number(1, 1500)
    if draw.chance(0.5):
        number = float(f"{draw.number(0, 300)}.{draw.number(0, 9)}{draw.number(1, 9)}")
    form = draw.pick(["${}", "${}", "€{}", "£{}", "{} euros", "{} dollars", "{} EUR", "{} USD"])
    return Value(form.format(number), number)


def _date(draw: Draw) -> Value:
    day, month, year = draw.number(1, 28), draw.number(1, 12), draw.number(2019, 2033)
    name = _MONTHS[month - 1]
    forms = [f"{year}-{month:02d}-{day:02d}"] * 2 + [f"{day} {name} {year}", f"{name} {day}, {year}"]
    forms += [f"{name} {day}", f"{day} {name}", f"{day}.{month}.{year}", f"{month:02d}/{day:02d}/{year}"]
    return _same(draw.pick(forms))


def _time(draw: Draw) -> Value:
    hour, minute = draw.number(6, 22), draw.pick([0, 15, 30, 45, draw.number(1, 59)])
    forms = [f"{hour:02d}:{minute:02d}", f"{hour}:{minute:02d}", f"{draw.number(1, 12)} pm", f"{draw.number(6, 11)} am"]
    return _same(draw.pick(forms))


def _email(draw: Draw) -> Value:
    invented = draw.invented_word()
    user = draw.pick([invented, f"{invented}.{draw.invented_word()}", draw.pick(draw.words.common)])
    user += str(draw.number(1, 99)) if draw.chance(0.2) else ""
    name = draw.invented_word()
    host = draw.pick(["example.com", "example.org", "mail.example", f"{name}.com", f"{name}.net"])
    return _same(f"{user}@{host}")


def _phone(draw: Draw) -> Value:
    a, b, c = draw.number(100, 999), draw.number(100, 999), draw.number(1000, 9999)
    country = draw.number(1, 99)
    return _same(draw.pick([f"555-{c}", f"{a}-555-{c}", f"+{country} {a} {c}", f"0{a} {b}{c}", f"({a}) 555-{c}"]))


def _order(draw: Draw) -> Value:
    return _same(f"{draw.pick('ABCDKRTX')}{draw.pick(['-', ''])}{draw.number(100, 9999)}")


def _street(draw: Draw) -> Value:
    name = draw.pick(draw.words.common) if draw.chance(0.6) else draw.invented_word()
    kind = draw.pick(["Street", "Road", "Lane", "Avenue", "Square"])
    return _same(f"{draw.number(1, 199)} {name.capitalize()} {kind}")


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_COMPANY_ENDINGS = (
    *("Ltd", "Inc", "GmbH", "Labs", "Systems", "Group", "Works"),
    *("& Sons", "Foods", "Bank", "AG", "Media", "Tools"),
)
_SURNAMES = (
    *("Miller", "Weber", "Novak", "Rossi", "Dubois", "Silva"),
    *("Kowalski", "Jensen", "Larsen", "Murphy", "Tanaka", "Kim"),
    *("Chen", "Singh", "Patel", "Okafor", "Mbeki", "Ivanov"),
    *("Popescu", "Horvath", "Yilmaz", "Haddad", "Cohen", "Fischer"),
    *("Baker", "Cooper", "Turner", "Walsh", "Moreau", "Ferrari"),
    *("Garcia", "Santos", "Berg", "Lindqvist", "Virtanen", "Peters"),
    *("Brown", "Clark", "Evans", "Green", "Hughes", "Young"),
    *("Schmidt", "Keller", "Bauer", "de Vries", "O'Neill", "Müller"),
)
CITIES = (
    *("Berlin", "Paris", "Rome", "Madrid", "London", "Oslo"),
    *("Lisbon", "Vienna", "Prague", "Warsaw", "Athens", "Dublin"),
    *("Hamburg", "Munich", "Lyon", "Milan", "Porto", "Bergen"),
    *("Krakow", "Zurich", "Geneva", "Brussels", "Helsinki", "Riga"),
    *("Boston", "Chicago", "Denver", "Seattle", "New York"),
    *("San Diego", "Toronto", "Montreal", "Lima", "Bogotá", "Quito"),
    *("Tokyo", "Osaka", "Seoul", "Delhi", "Mumbai", "Lahore"),
    *("Cairo", "Lagos", "Nairobi", "Accra", "Tunis", "Cape Town"),
    *("Sydney", "Perth", "Leeds", "Bristol", "Cardiff", "Malmö", "Aarhus", "Graz", "Košice", "Split", "Varna", "Tartu"),
)
COUNTRIES = (
    *("Germany", "France", "Italy", "Spain", "Portugal", "Norway", "Sweden", "Poland", "Greece", "Ireland", "Austria"),
    *("Canada", "Mexico", "Peru", "Chile", "Brazil", "Japan", "Korea", "India", "Egypt", "Kenya", "Ghana", "Australia"),
    *("Finland", "Latvia", "Estonia", "Croatia", "Turkey"),
    *("Morocco", "Vietnam", "Iceland", "Denmark", "Belgium", "Nepal"),
)
_JOBS = (
    *("nurse", "teacher", "baker", "engineer", "pilot"),
    *("carpenter", "lawyer", "designer", "plumber", "librarian", "cook"),
    *("doctor", "farmer", "writer", "painter", "gardener"),
    *("mechanic", "electrician", "translator", "chemist", "accountant"),
    *("programmer", "photographer", "waiter", "driver"),
    *("architect", "dentist", "journalist", "tailor", "sales manager"),
)
_PRODUCTS = (
    *("laptop", "desk lamp", "office chair", "coffee machine", "keyboard"),
    *("monitor", "backpack", "tent", "bicycle", "kettle"),
    *("phone", "camera", "printer", "headset", "water bottle", "notebook", "umbrella", "jacket", "toaster", "blender"),
    *("bookshelf", "garden hose", "hammer", "drill", "ladder", "paint brush", "pillow", "blanket", "tea pot", "mug"),
    *("guitar", "violin", "football", "helmet", "sofa", "carpet"),
    *("mirror", "vase", "candle", "clock", "watch", "scarf"),
)
_COLOURS = (
    *("red", "blue", "green", "yellow", "black", "white"),
    *("grey", "orange", "purple", "pink", "brown", "silver", "golden"),
    *("dark blue", "light green", "turquoise", "beige", "violet"),
)

#: How each kind of value is drawn; the names are the slots of the texts.
VALUES: dict[str, Callable[[Draw], Value]] = {
    "person": _person,
    "age": lambda draw: _number(draw.number(1, 99)),
    "city": _city,
    "country": lambda draw: _same(pick_of_split(draw, COUNTRIES)),
    "job": lambda draw: _same(pick_of_split(draw, _JOBS)),
    "company": _company,
    "product": _product,
    "price": _price,
    "quantity": lambda draw: _number(draw.number(2, 500)),
    "colour": lambda draw: _same(pick_of_split(draw, _COLOURS)),
    "date": _date,
    "time": _time,
    "email": _email,
    "phone": _phone,
    "order": _order,
    "street": _street,
}
