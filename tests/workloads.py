"""Prompts of three kinds, no two alike: English, Chinese, code."""

from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent
ENGLISH = (
    "The {noun} stands where the river leaves the hills, and nobody remembers who {verb} it.",
    "In a dry summer the {noun} turns slowly; in spring it has to be held back.",
    "Please summarise the letter below in three sentences, and name the {noun} that it is about.",
    "We ordered twelve of them in March, but only nine were {verb} when the lorry came.",
    "However, the committee found that the {noun} had been {verb} without its knowledge.",
    'She said: "Your {noun} is ready, but it was {verb} a week too late."',
    "It costs 240 euros a month, which is more than most families can pay for a {noun}.",
    "The price of a {noun} depends on where it was {verb}, and on the weather.",
)
NOUNS = [
    "mill",
    "bridge",
    "contract",
    "garden",
    "telescope",
    "library",
    "kitchen",
    "orchard",
    "harbour",
    "engine",
]
VERBS = ["built", "delivered", "repaired", "forgotten", "measured", "painted", "translated", "sold"]
CHINESE = (
    "{noun}立在河流离开山丘的地方，村里没有人记得是谁建造的。",
    "请用三句话概括下面这封信，并说明其中提到的{noun}。",
    "干旱的夏天，{noun}转得很慢；到了春天，必须把它拦住，否则水会把它冲坏。",
    "我们三月份订购了十二件，但是货车来的时候只有九件已经{verb}。",
    "委员会认为，这个{noun}在没有通知的情况下就被{verb}了。",
    "她说：“您的{noun}已经准备好了，不过晚了一个星期。”",
    "每个月要花两千元，比大多数家庭能够负担的{noun}费用还要高。",
    "价格取决于{noun}在哪里{verb}，也取决于天气和运输的情况。",
)
CHINESE_NOUNS = ["磨坊", "桥梁", "合同", "花园", "望远镜", "图书馆", "厨房", "果园", "港口", "发动机"]
CHINESE_VERBS = ["建造", "交付", "修理", "测量", "翻译", "出售"]
CODE_LINES = 25


def english(number: int) -> str:
    """A few sentences."""
    return " ".join(_sentences(number, ENGLISH, NOUNS, VERBS))


def chinese(number: int) -> str:
    """The same in Chinese."""
    return "".join(_sentences(number, CHINESE, CHINESE_NOUNS, CHINESE_VERBS))


def code(number: int) -> str:
    """Some lines of our own sources."""
    sources = sorted((ROOT / "headrace").rglob("*.py"))
    drawn = Random(number)
    lines = drawn.choice([path for path in sources if path.stat().st_size > 2_000]).read_text().splitlines()
    begin = drawn.randrange(max(1, len(lines) - CODE_LINES))
    part = "\n".join(lines[begin : begin + CODE_LINES])
    return f"What is wrong in part {number}?\n" + part.replace("[[sim:", "[[")  # the simulator would obey


def _sentences(number: int, forms: tuple[str, ...], nouns: list[str], verbs: list[str]) -> list[str]:
    drawn = Random(number)
    chosen = [drawn.choice(forms) for _ in range(drawn.randint(3, 9))]
    return [form.format(noun=drawn.choice(nouns), verb=drawn.choice(verbs)) for form in chosen]
