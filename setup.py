"""Packaging of Oz: the package, its templates and grammar, the programs in bin/, manual pages and completion."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

# After setuptools, which brings it from Python 3.12 on.
from distutils.command.install_data import install_data  # isort: skip

ROOT = Path(__file__).parent
VERSION = (ROOT / "oz/__init__.py").read_text().partition('__version__ = "')[2].partition('"')[0]


class InstallData(install_data):
    """Manual pages and completion are made when they are installed: so they are of the parsers they come with."""

    def run(self) -> None:
        super().run()
        pages = runpy.run_path(str(ROOT / "docs/man/pages.py"))
        self.outfiles += pages["write"](Path(self.install_dir))


setup(
    name="oz",
    version=VERSION,
    description="Install guest operating systems unattended, with each system's own installer",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="LGPL-2.1-or-later",
    python_requires=">=3.11",
    packages=find_packages(include=["oz", "oz.*"]),
    package_data={"oz": ["tdl.rng", "py.typed", "templates/**/*", "guests/proofs.tsv", "guests/failures.tsv"]},
    data_files=[("share/doc/oz", ["README.md", "CHANGES.md", "oz.cfg"])],
    cmdclass={"install_data": InstallData},
    scripts=["bin/oz-install", "bin/oz-customize", "bin/oz-generate-manifest", "bin/oz-cleanup-cache"],
    install_requires=[
        "libvirt-python>=9.0",
        # 4.0 dropped DSS and 5.0 every host key and key exchange older than about 2013: neither
        # can log in to the oldest guests.
        "paramiko>=3.5,<4",
        # 51 announces the end of the SHA-1 signatures and finite-field groups those logins need.
        "cryptography>=42,<51",
        "pycdlib>=1.14",
        "Jinja2>=3.1",
        "lxml>=4.9",
        "requests>=2.28",
        # draws the progress of an installation on a terminal
        "rich>=13",
        # crypt(3) hashes; Python 3.13 has no crypt module, and passlib is no longer kept up.
        "libpass>=1.9",
    ],
    extras_require={
        # Reads the disks of failed installations. AGPL, so nobody gets it unasked; each part is of its own version.
        "offline": [
            "dissect.target>=3.20",
            "dissect.extfs",
            "dissect.xfs",
            "dissect.btrfs",
            "dissect.fat",
            "dissect.ntfs",
        ],
        # finds inputs by the paths that they take through our code; it has no wheel for every Python
        "fuzz": ["atheris>=3"],
        # setuptools for the test that makes a wheel without the network; 70.1 needs no package wheel for that.
        "test": [
            "pytest>=8",
            "pytest-timeout",
            "pytest-xdist",
            "hypothesis",
            # a terminal, to see what a program has drawn on it
            "pyte>=0.8",
            "pyftpdlib>=2",
            "oz[offline]",
            # reads kickstart files as the installers do
            "pykickstart>=3.60",
            # parses PowerShell
            "tree-sitter>=0.25",
            "tree-sitter-powershell>=0.26",
            # read and judge autoinstall files and Agama's profiles
            "PyYAML>=6",
            "jsonschema>=4.18",
            "mypy",
            "ruff",
            "codespell",
            "types-requests",
            "types-paramiko",
            "lxml-stubs",
            "types-setuptools",
            "types-PyYAML",
            "types-jsonschema",
            # for the test that makes a wheel without the network; 70.1 needs no package wheel for that
            "setuptools>=70.1",
        ],
    },
)
