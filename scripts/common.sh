# Shared by demo.sh and test.sh: a Python that is new enough, and a virtual environment made with it.

# Packages are installed with --no-compile; each of hundreds of processes would compile them anew.
unset PYTHONDONTWRITEBYTECODE

# Prints the first Python from 3.11 on; KGNB_PYTHON names one.
find_python() {
  local candidate
  for candidate in ${KGNB_PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "kgnb needs Python 3.11 or newer; install one, or name it with KGNB_PYTHON." >&2
  return 1
}

# make_venv DIR: a virtual environment with a current pip. A broken or foreign one is made anew.
make_venv() {
  local python
  python=$(find_python) || return 1
  if ! "$1/bin/python" -c 'import pip' 2>/dev/null; then
    rm -rf "$1"
    "$python" -m venv "$1" || {
      echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2
      return 1
    }
  fi
  "$1/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
}
