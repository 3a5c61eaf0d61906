"""What a folder of a registry may hold, and what is said of what it may not."""

import itertools
from pathlib import Path

import pytest

from semihard.errors import InputError
from semihard.settings import registry
from semihard.settings.registry import class_of, entry, load, module_of, names_of
from semihard.workflow.code_entries import FOUND
from semihard.workflow.fingerprint import SCRIPTS
from semihard.workflow.module_code import Module


def listed(library: Path) -> dict[str, str]:
    names_of.cache_clear()
    try:
        return names_of("heads", library)
    finally:
        names_of.cache_clear()


def test_names_come_from_files_folders_and_literals(tmp_path):
    heads = tmp_path / "heads"
    (heads / "folder").mkdir(parents=True)
    (heads / "folder/__init__.py").touch()
    (heads / "data").mkdir()
    (heads / "data/table.csv").touch()
    for name, text in {
        "__init__.py": "",
        "plain.py": "x = 1\n",
        "two.py": 'NAMES = {"a": {}, "b.2": {"k": 1}}\n',
        "typed.py": 'NAMES: dict = {"c": 1}\n',
        ".hidden.py": "=",
        "notes.txt": "",
    }.items():
        (heads / name).write_text(text)
    assert listed(tmp_path) == {"folder": "folder", "plain": "plain", "a": "two", "b.2": "two", "c": "typed"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "x = = 1", r"a\.py, line 1: invalid syntax"),
        ("a.py", b"\xff\xfe", r"a\.py: is no Python file \('utf-8' codec"),
        ("a.py", b"x = 1\0", r"a\.py.*null bytes"),
        ("a.py", "NAMES = {k: 1 for k in 'ab'}", r"a\.py, line 1: NAMES is to be one literal dictionary"),
        ("a.py", "\nNAMES = {**{}, 'a': 1}", r"a\.py, line 2: NAMES is to be one literal dictionary"),
        ("a.py", "NAMES = ('a', 'b')", "NAMES is to be one literal dictionary"),
        ("a.py", "NAMES = {3: 1}", "NAMES is to be one literal dictionary"),
        ("a.py", "NAMES = {'a/b': 1}", "NAMES is to be one literal dictionary"),
        ("a.py", "NAMES = {}", "NAMES is to be one literal dictionary"),
        ("my.head.py", "x = 1", r"my\.head\.py: a module's name has letters, digits and '_' alone"),
        ("folder/method.py", "x = 1", r"folder: has no __init__\.py"),
        ("b.py", "NAMES = {'plain': 1}", r"plain\.py: 'plain' is the name of b\.py in the same folder, too"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, name, text, message):
    file = tmp_path / "heads" / name
    file.parent.mkdir(parents=True)
    (tmp_path / "heads/plain.py").touch()
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        listed(tmp_path)


def test_what_is_not_known_is_listed():
    with pytest.raises(InputError, match="head 'sphereface' is not known; expected one of adaface, arcface"):
        module_of("recognizer.heads", "sphereface")
    with pytest.raises(InputError, match=r"methods\.ddpm\.nothing: cannot be imported \(No module named"):
        load("generator.methods", "ddpm", "nothing")


def test_a_module_has_what_it_is_found_for():
    assert entry("recognizer.backbones", "tiny") == "semihard.recognizer.backbones.iresnet:tiny"
    module = Module.of("semihard.recognizer.backbones.iresnet", SCRIPTS)
    with pytest.raises(InputError, match=r"iresnet\.py: has no 'Forebone'; docs/extending\.md says what it is to have"):
        module.require("Forebone")
    for found in itertools.chain(*FOUND.values()):
        for name in names_of(found.package) if found.has else ():
            for item in found.has:
                Module.of(module_of(found.package, name), SCRIPTS).require(item)


def test_a_module_defines_one_class_of_its_kind():
    with pytest.raises(InputError, match="defines 0 classes derived from Path, expected one"):
        class_of(registry, Path)
