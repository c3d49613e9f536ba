"""TeX is a program by a stranger too: it ends in time, writes within bounds, and
brings nothing of a file outside into a picture, whichever engine runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from render_tools import Outcome, attempt, collect, render, start_stage, write_job

HEAD = "from manim import *\n"
SOON = {"tex_timeout_s": 1}
# Not the default class: that needs a package of LuaTeX's for it.
LUA = (
    r"TexTemplate(tex_compiler='lualatex', output_format='.dvi', preamble='',"
    r" documentclass=r'\documentclass{article}\pagestyle{empty}')"
)

XE = "TexTemplate(tex_compiler='xelatex', output_format='.xdv')"


def formula(tex: str, template: str = "None", after: str = "self.wait(0.2)") -> str:
    """A scene that shows a formula, with nothing of Manim's around it."""
    return (
        f"{HEAD}class Typeset(Scene):\n    def construct(self):\n"
        f"        self.add(Tex({tex!r}, tex_environment=None, tex_template={template}))\n"
        f"        {after}\n"
    )


def lua(code: str) -> str:
    """A formula that LuaTeX's Lua makes: what `code` returns is typeset."""
    return formula(r"\directlua{local function f() " + code + r" end tex.sprint(tostring(f()))}", LUA)


def tex_error(code: str, **options: object) -> Outcome:
    """It must end as TeX's refusal, shown with its line."""
    ended = render(code, {**SOON, **options}, timeout_s=60)
    assert ended.outcome == "tex_error", ended.result
    assert "TeX source:" in ended.error["excerpt"], ended.error
    assert ended.error["line"] == 4
    return ended


ENDLESS = {
    "a macro": r"\def\x{\x}\x",
    "pages": r"\def\x{a\newpage\x}\x",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless(name: str) -> None:
    ended = tex_error(formula(ENDLESS[name]))
    assert "latex did not end within 1 s" in ended.error["message"]
    assert re.search(r"> +\d+ \| .*\\x", ended.error["excerpt"])


def test_endless_lua_is_killed() -> None:
    """It does not hear an interrupt, and leaves no log."""
    ended = tex_error(lua("while true do end"))
    assert "lualatex did not end within 1 s" in ended.error["message"]
    assert "while true do" in ended.error["excerpt"]


MESSAGES = {
    "U+1F600": ("x = \U0001f600", "Unicode character \U0001f600 (U+1F600) not set up for use with LaTeX. at:"),
    "an argument": (r"\mbox{a \nosuch b}", r"Undefined control sequence. at: a \nosuch"),
    "something put in": (r"a_b", r"Missing $ inserted. at: a_"),
    "advice": (r"\begin{nosuch}", r"Environment nosuch undefined. at: \begin{nosuch}"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_tex_says_and_where(name: str) -> None:
    """Its whole message; then what it had read, not what it put in or advises."""
    tex, words = MESSAGES[name]
    assert words in tex_error(formula(tex), tex_timeout_s=60).error["message"]


@pytest.mark.parametrize("program", ["xelatex", "lualatex"])
def test_a_tex_program_that_is_not_there(program: str) -> None:
    """Which, not an errno, and what to install."""
    code = formula("a", XE.replace("xelatex", program).replace(".xdv", ".xdv" if program == "xelatex" else ".dvi"))
    nowhere = "import os\nos.environ['PATH'] = '/nonexistent'\n"
    ended = render(nowhere + code)
    assert ended.outcome == "tex_error", ended.result
    assert f'this worker has no "{program}"' in ended.error["message"], ended.error
    assert "(on Debian: texlive-" in ended.error["message"], ended.error


@pytest.mark.parametrize(
    "tex",
    [r"\def\x{a\x}\x", r"\setbox0\hbox{a}\def\x{\setbox0\vbox{\copy0\copy0}\x}\x"],
    ids=["tokens", "boxes"],
)
def test_more_than_tex_can_hold(tex: str) -> None:
    ended = tex_error(formula(tex), tex_timeout_s=60)
    assert "TeX capacity exceeded" in ended.error["message"]


def test_a_file_without_end() -> None:
    tex = (
        r"\newwrite\f\immediate\openout\f=big.txt "
        r"\edef\a{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}"
        r"\edef\a{\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a}"
        r"\def\x{\immediate\write\f{\a}\x}\x"
    )
    ended = tex_error(formula(tex), tex_timeout_s=60)
    assert "latex wrote a file larger than 64 MB" in ended.error["message"]


def tex_processes(uid: int) -> list[str]:
    """Names of what of TeX's runs under a uid."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "stat").read_text().partition("(")[2].partition(")")[0]
            if entry.stat().st_uid == uid and "tex" in name:
                found.append(name)
        except OSError:
            continue
    return found


def test_nothing_of_a_stopped_run_is_left() -> None:
    """The scene may go on without its formula; TeX does not go on with it."""
    code = lua("while true do end").replace(
        "        self.add(", "        try: self.add("
    ).replace("        self.wait(0.2)", "        except ValueError: print('stopped')\n"
              "        while True: self.wait(1)")
    with attempt() as directory:
        write_job(directory, code, {})
        stage = start_stage(directory, **SOON)
        log = directory / "log"
        while stage.poll() is None and not (log.exists() and "stopped" in log.read_text()):
            os.sched_yield()
        assert stage.poll() is None, stage.communicate()
        left = tex_processes((directory / "scene").stat().st_uid)
        stage.send_signal(signal.SIGTERM)
        stage.communicate(timeout=30)
        assert left == []


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that any uid may read, with a text, a picture, a Lua module."""
    del tmp_path_factory  # its directories are closed to other uids
    with attempt() as directory:
        directory.chmod(0o755)
        (directory / "canary.tex").write_text("CANARY")
        (directory / "canary.lua").write_text("return 'CANARY'")
        (directory / "canary.ps").write_text("newpath 0 0 moveto 90 90 lineto 9 setlinewidth stroke\n")
        (directory / "canary.eps").write_text(
            "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n"
            "newpath 0 0 moveto 90 90 lineto 9 setlinewidth stroke\n"
        )
        (directory / "canary.svg").write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90">'
            '<rect width="90" height="90" fill="red"/></svg>'
        )
        yield directory


@pytest.mark.parametrize("how", [r"\input{%s/canary.tex}", r"\newread\f\openin\f=%s/canary.tex "
                                 r"\ifeof\f\errmessage{not there}\else\read\f to\x\x\fi"])
def test_reads_nothing_outside(canary: Path, how: str) -> None:
    ended = render(formula(how % canary), SOON)
    assert ended.outcome == "tex_error", ended.result


LUA_WAYS = {
    "io.open": "local f = io.open('{0}/canary.tex') return f and f:read('a') or 'HELD'",
    "io.lines": "local ok, x = pcall(function() for l in io.lines('{0}/canary.tex') do return l end end)"
    " return ok and x or 'HELD'",
    "dofile": "local ok, x = pcall(dofile, '{0}/canary.lua') return ok and x or 'HELD'",
    "lfs": "local a = lfs.attributes('{0}/canary.tex', 'mode') local ok = pcall(lfs.dir, '{0}')"
    " return (ok and 'CANARY') or 'HELD'",
    "os.execute": "return os.execute('cat {0}/canary.tex > stolen') == 0 and 'CANARY' or 'HELD'",
    "io.popen": "local ok, p = pcall(io.popen, 'cat {0}/canary.tex')"
    " return ok and p and p:read('a') == 'CANARY' and 'CANARY' or 'HELD'",
    "write outside": "local f = io.open('{0}/new', 'w') return f and 'CANARY' or 'HELD'",
    "/etc/passwd": "local f = io.open('/etc/passwd') return f and 'CANARY' or 'HELD'",
    "/proc": "local f = io.open('/proc/1/environ') return f and 'CANARY' or 'HELD'",
}


def test_lua_reaches_nothing_outside(canary: Path) -> None:
    """LuaTeX heeds no setting of kpathsea's in Lua: the box must hold."""
    calls = [f"(function() {way.format(canary)} end)()" for way in LUA_WAYS.values()]
    tried = render(lua("return " + " .. ".join(calls)), {"tex_timeout_s": 100})
    held = render(lua(f"return '{'HELD' * len(calls)}'"), {"tex_timeout_s": 100})
    assert tried.outcome == held.outcome == "completed", (tried.result, held.result)
    assert tried.frames == held.frames and held.frames
    assert not (canary / "new").exists()


SPECIALS = {
    "svg image": r"\special{dvisvgm:raw <image width='90' height='90' href='file://%s/canary.svg'/>}",
    "svg use": r"\special{dvisvgm:raw <use href='file://%s/canary.svg#a'/>}",
    "xml entity": r"\special{dvisvgm:raw <!ENTITY x SYSTEM 'file://%s/canary.tex'>}",
    "psfile": r"\special{psfile=%s/canary.eps}",
    "postscript run": r"\special{ps: (%s/canary.ps) run}",
    "postscript file": r"\special{ps: (%s/canary.tex) (r) file 10 string readstring pop show}",
    "em graph": r"\special{em:graph %s/canary.svg}",
}


@pytest.fixture(scope="module")
def plain() -> list[str]:
    """The frames of a formula without any special."""
    return render(formula("x")).frames


@pytest.mark.parametrize("name", SPECIALS)
def test_specials_show_nothing_outside(canary: Path, plain: list[str], name: str) -> None:
    """With the special or without it, the picture is the same; or there is none."""
    ended = render(formula(SPECIALS[name] % canary + "x"), {"tex_timeout_s": 20})
    assert ended.outcome in ("completed", "tex_error", "scene_error"), ended.result
    assert ended.frames == (plain if ended.outcome == "completed" else [])
    assert "CANARY" not in str(ended.result) + ended.log


def test_postscript_without_end() -> None:
    """Ghostscript, inside dvisvgm."""
    ended = render(formula(r"\special{ps: {} loop}x"), SOON, timeout_s=60)
    assert ended.outcome == "tex_error", ended.result
    assert "dvisvgm did not end within 1 s" in ended.error["message"]


def test_xetex_draws() -> None:
    """The control: a template may name it, and its font is its own."""
    if not shutil.which("xelatex"):
        pytest.skip("not applicable: xelatex is not installed (which xelatex)")
    drawn = [render(formula(tex, XE), {"tex_timeout_s": 100}) for tex in ("x", "y")]
    assert [one.outcome for one in drawn] == ["completed"] * 2, [one.result for one in drawn]
    assert drawn[0].frames and drawn[0].frames != drawn[1].frames


XETEX_WAYS = [r"\input{%s/canary.tex}", r"\XeTeXpicfile %s/canary.svg", r'\font\f="[%s/canary.tex]" \f x']


@pytest.mark.parametrize("how", XETEX_WAYS)
def test_xetex_reads_nothing_outside(canary: Path, how: str) -> None:
    if not shutil.which("xelatex"):
        pytest.skip("not applicable: xelatex is not installed (which xelatex)")
    ended = render(formula(how % canary, XE), {"tex_timeout_s": 100})
    assert ended.outcome == "tex_error", ended.result
    assert "CANARY" not in str(ended.result) + ended.log


def test_xetex_reads_no_passwords() -> None:
    if not shutil.which("xelatex"):
        pytest.skip("not applicable: xelatex is not installed (which xelatex)")
    ended = render(formula(r"\input{/etc/passwd}", XE), {"tex_timeout_s": 100})
    assert ended.outcome == "tex_error" and "root:" not in str(ended.result), ended.result
