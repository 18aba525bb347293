"""Every check of this workspace: `nox --list` names them, `nox -s NAME` runs one.

nox itself runs on Python 3.11 or newer; uv gives each session its own interpreter and the versions of `uv.lock`.
"""

import os
import subprocess
import sysconfig
from pathlib import Path

import nox

PYTHONS = ["3.12", "3.14"]
SOURCES = sorted(str(source) for source in Path.cwd().glob("packages/*/src"))
# The packages, and the extras that their tests need.
PACKAGES = {
    "hfbs-filterbanks": ["mel", "plot"],
    "hfbs-attention": [],
    "hfbs-model": ["hub", "onnx"],
    "hfbs-experimental": [],
    "hfbs-separate": ["evaluate", "log-wmse", "onnx"],
    "hfbs-train": ["lora", "losses", "wandb"],
}
# The groups that a package's tests need; the lowest versions are tested without oracles, which ask for newer ones.
GROUPS = {package: ["--group=test"] for package in PACKAGES}
GROUPS["hfbs-separate"].append("--group=oracles")
# All extras but one, whose libraries come as sources and would need a C++ compiler.
WHOLE = ["--all-packages", "--all-extras", "--no-extra=synthesize"]
# Checks every annotated shape while the tests run. It hinders torch.compile, and holds tensors longer than the program
# does: such tests bear a marker.
CHECKED = "hfbs_attention,hfbs_model,hfbs_experimental,hfbs_train._losses,hfbs_train._augmentation"
SHAPES_CHECKED = f"--jaxtyping-packages={CHECKED},beartype.beartype"

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.allow_parallel = True
nox.options.sessions = ["tests", "lint", "typecheck"]

# Interpreters that pyenv keeps off PATH, and the uv that came with nox.
os.environ["PATH"] = os.pathsep.join(
    [
        *map(str, Path.home().glob(".pyenv/versions/3.1[234]*/bin")),
        os.environ.get("PATH", os.defpath),
        sysconfig.get_path("scripts"),
    ]
)


def sync(session: nox.Session, *selection: str) -> None:
    """Make the session's environment hold exactly `selection`, in the versions of uv.lock."""
    session.run_install("uv", "sync", "--quiet", *selection, external=True)
    if Path(".git").exists():
        # uv has written its registry's addresses into the working copy of uv.lock: git must look at it cleaned, and,
        # where that is what git has, take note of the file's new size. A session beside this one may do the same.
        git("config", "--replace-all", "include.path", "../tools/gitconfig", "^../tools/gitconfig$")
        if git("diff", "--quiet", "--", "uv.lock") == 0:
            git("add", "uv.lock")


def git(*arguments: str) -> int:
    return subprocess.run(["git", *arguments], check=False, capture_output=True).returncode


@nox.session(python=PYTHONS)
@nox.parametrize("package", [*PACKAGES, "workspace"])
def tests(session: nox.Session, package: str) -> None:
    """Test one package beside its declared dependencies alone, or the workspace as a whole."""
    if package == "workspace":
        sync(session, *WHOLE, "--group=test", "--group=release")
        session.run("pytest", "tests/workspace", "tests/releases", *session.posargs)
        return
    extras = [f"--extra={extra}" for extra in PACKAGES[package]]
    sync(session, f"--package={package}", *extras, *GROUPS[package])
    folder = f"tests/{package.replace('-', '_')}"
    if package == "hfbs-filterbanks":
        session.run("pytest", folder, *session.posargs)
        return
    session.run("pytest", folder, SHAPES_CHECKED, "-m", "not compiled and not unchecked", *session.posargs)
    session.run("pytest", folder, "-m", "compiled or unchecked", *session.posargs, success_codes=[0, 5])


@nox.session(python="3.12")
def browser(session: nox.Session) -> None:
    """Open pages of stems in Chromium, which must be installed: they play, and ask for nothing."""
    sync(session, "--package=hfbs-separate", "--group=test", "--group=browser")
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session(python=PYTHONS)
def parity(session: nox.Session) -> None:
    """Compare outputs and gradients with the upstream implementations, configuration by configuration."""
    sync(session, "--package=hfbs-experimental", "--extra=mel", "--group=test", "--group=parity")
    # What weights tell does not depend on the interpreter, and takes minutes to try.
    loading = ("test_loading.py", "test_families.py")
    skipped = () if session.python == PYTHONS[0] else (f"--ignore=tests/parity/{name}" for name in loading)
    session.run("pytest", "tests/parity", "-s", *skipped, *session.posargs)


@nox.session(python="3.12")
def lint(session: nox.Session) -> None:
    """Check style, the layers between packages, and that each package declares what it imports."""
    sync(session, "--only-group=lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", env={"PYTHONPATH": os.pathsep.join(SOURCES)})
    modules = "--package-module-name-map=pyyaml=yaml,pope-pytorch=PoPE_pytorch,universal-pathlib=upath"
    # Where deptry cannot see it: the extras are imported by name, and PoPE's module is built by the user of attention.
    extras = (
        "auraloss|tensorboard|mido|pysinsy|pyworld|librosa|log-wmse-audio-quality|matplotlib|ray|s3fs|hfbs-experimental"
        "|onnx|onnx-ir|onnxscript|onnxruntime"
    )
    unseen = f"--per-rule-ignores=DEP002={extras}|pope-pytorch"
    for package in PACKAGES:
        with session.chdir(f"packages/{package}"):
            session.run("deptry", "src", modules, unseen)


@nox.session(python="3.12")
def typecheck(session: nox.Session) -> None:
    """Check types: strictly in the packages and tools, in pyright's basic mode in the tests."""
    sync(
        session,
        *WHOLE,
        *(f"--group={group}" for group in ("typecheck", "test", "oracles", "browser", "cluster", "parity", "index")),
    )
    session.run("pyright")
    session.run("pyright", "--project", "tests")


@nox.session(python="3.12")
def wheels(session: nox.Session) -> None:
    """Build every package and install what was built, together and alone, outside the workspace."""
    sync(session, "--only-group=test")
    session.run("pytest", "tests/wheels", *session.posargs)


@nox.session(python="3.12")
def tutorials(session: nox.Session) -> None:
    """Follow each tutorial of the documentation from an empty folder, with what it installs and no more."""
    sync(session, "--only-group=test")
    session.run("pytest", "tests/tutorials", *session.posargs)


@nox.session(python="3.12")
def release(session: nox.Session) -> None:
    """Release one package: its name, then `patch`, `minor`, `major` or `first`; --dry-run, --raise SIBLING."""
    releasing(session, "make")


@nox.session(python="3.12")
def api(session: nox.Session) -> None:
    """Compare public names with those of the last releases: what breaks must be announced."""
    releasing(session, "api")


@nox.session(python="3.12")
def dist(session: nox.Session) -> None:
    """Build the package that a tag names, such as hfbs-attention-v0.2.0, and check what was built."""
    releasing(session, "dist")


def releasing(session: nox.Session, command: str) -> None:
    sync(session, "--only-group=release")
    session.run("python", "-m", "release", command, *session.posargs, env={"PYTHONPATH": "tools"})


@nox.session(python="3.12")
def index(session: nox.Session) -> None:
    """Release and publish to a package index on this machine, and install from there with pip and uv."""
    sync(session, "--only-group=test", "--only-group=index")
    session.run("pytest", "tests/index", *session.posargs)


@nox.session(python="3.12", reuse_venv=False)
@nox.parametrize("package", [*PACKAGES])
def minimums(session: nox.Session, package: str) -> None:
    """Test one package with the lowest versions that it declares."""
    # What leaves PyTorch asks for a newer one than the package does.
    wanted = [extra for extra in PACKAGES[package] if extra != "onnx"]
    extras = f"[{','.join(wanted)}]" if wanted else ""
    session.install("--resolution=lowest-direct", f"./packages/{package}{extras}")
    session.install("--group=test")
    session.run("pytest", f"tests/{package.replace('-', '_')}", "-m", "not compiled", *session.posargs)


@nox.session(python="3.12")
def fuzz(session: nox.Session) -> None:
    """Decode thousands of damaged files; HFBS_FUZZ_COUNT says how many."""
    sync(session, "--package=hfbs-separate", "--group=test")
    session.run("pytest", "tests/fuzz", "-s", *session.posargs)


@nox.session(python="3.12")
def cluster(session: nox.Session) -> None:
    """Separate a catalogue on a Ray cluster of this machine, from and to a store of S3's kind, and kill its workers."""
    sync(session, "--package=hfbs-separate", "--extra=ray", "--group=test", "--group=cluster")
    session.run("pytest", "tests/cluster", *session.posargs)


@nox.session(python="3.12")
def docs(session: nox.Session) -> None:
    """Build the documentation, with every warning an error and nothing fetched from the web."""
    sync(session, *WHOLE, "--group=docs")
    session.run("sphinx-build", "-W", "-n", "docs", "docs/_build/html", *session.posargs)


@nox.session(python="3.12", allow_parallel=False)
def bench(session: nox.Session) -> None:
    """Measure speed against the other implementations and the floor."""
    sync(session, *WHOLE, "--group=parity")
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(python="3.12", allow_parallel=False)
def learning(session: nox.Session) -> None:
    """Measure what the same training comes to here and with BS-RoFormer, given songs."""
    sync(session, *WHOLE, "--group=parity")
    session.run("python", "benchmarks/learning.py", *session.posargs)


@nox.session(python="3.12")
def demo(session: nox.Session) -> None:
    """Separate the song that ships with the model that does, say where the stems are, and score them."""
    sync(session, "--package=hfbs-separate")
    session.run("hfbs", "demo", "-o", "demo-output", "--force")
    scored = ["--stem=vocals", "--stem=instrumental=drums+bass+other", "--metric=sdr"]
    session.run("hfbs", "evaluate", "tests/demo_song", "--estimates", "demo-output", *scored)
