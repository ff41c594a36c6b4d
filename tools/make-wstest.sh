#!/bin/sh
# Makes .wstest, a Python 2.7 with Autobahn's test suite, which knows no newer one; does nothing where there is none
# or wstest is installed already. usage: tools/make-wstest.sh
set -eu

cd "$(dirname "$0")/.."
if command -v wstest >/dev/null || [ -x .wstest/bin/wstest ]; then
    exit 0
fi

for python in python2.7 "$HOME"/.pyenv/versions/2.7*/bin/python; do
    if "$python" -c 'import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
        echo "Installing Autobahn's test suite into .wstest with $python (once; a minute or two)"
        rm -rf .wstest
        mkdir .wstest
        if "$python" -m pip install --target .wstest/made-by 'virtualenv<20.22' >.wstest/install.log 2>&1 &&
            PYTHONPATH=.wstest/made-by "$python" -m virtualenv .wstest/new >>.wstest/install.log 2>&1 &&
            .wstest/new/bin/pip install autobahntestsuite==0.8.2 >>.wstest/install.log 2>&1; then
            ln -s new/bin .wstest/bin
            exit 0
        fi
        echo "Autobahn's test suite could not be installed; the whole story: .wstest/install.log" >&2
        exit 2
    fi
done
