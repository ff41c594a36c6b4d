#!/bin/sh
# Prints the path of the first Python that really runs, is 3.12 or newer and can make a virtual environment.
# Being on PATH proves nothing: pyenv's shims exit with 127 unless their version is selected. So each one is run.

probe='
import sys
if sys.version_info < (3, 12):
    sys.exit("%s is %d.%d" % ((sys.executable,) + sys.version_info[:2]))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("%s is %d.%d, but cannot make a virtual environment" % ((sys.executable,) + sys.version_info[:2]))
print(sys.executable)
'

candidates() {
    echo python3.14
    echo python3.13
    echo python3.12
    echo python3
    root=$(pyenv root 2>/dev/null) || root=${PYENV_ROOT:-$HOME/.pyenv}
    for path in "$root"/versions/3.1[2-9]*/bin/python; do
        [ -x "$path" ] && echo "$path"
    done
}

seen=
while IFS= read -r candidate; do
    if found=$("$candidate" -c "$probe" 2>&1) && [ -x "$found" ]; then
        echo "$found"
        exit 0
    fi
    # What a Python says of itself is one line; a shim that cannot run says more, and nothing of use here.
    case $found in
    *" is "[23].*) seen="$seen${seen:+; }$found" ;;
    esac
done <<EOF
$(candidates)
EOF

echo "ChargeSentinel needs Python 3.12 or newer with its venv module, and none was found${seen:+ ($seen)}." \
    "Install one: python3.13 and python3.13-venv from your system's packages, or \`pyenv install 3.13\`." >&2
exit 2
