#!/bin/sh
# Installs mfilter for your user only, without root: ./install.sh [--uninstall] [DIRECTORY]
# The directory is ~/.local unless you name another one. Nothing else is written; your
# rules and your mail are never touched.
set -eu
cd "$(dirname "$0")"

uninstall=
if [ "${1-}" = --uninstall ]; then
    uninstall=yes
    shift
fi
prefix=${1-$HOME/.local}
case $prefix in
/*) ;;
*)
    echo "install.sh: $prefix is not an absolute path" >&2
    exit 2
    ;;
esac

files=$(find bin share -type f)
if [ -n "$uninstall" ]; then
    # A line left in .forward would bounce mail or hold it back.
    if grep -q "$prefix/bin/mfilter" "$HOME/.forward" 2>/dev/null; then
        echo "install.sh: your .forward still runs $prefix/bin/mfilter; change it first" >&2
        exit 1
    fi
    for file in $files; do
        rm -f "$prefix/$file"
    done
    find share -depth -type d -name mfilter | while read -r folder; do
        find "$prefix/$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    echo "mfilter is gone from $prefix; ~/.mailrules, ~/.local/state/mfilter and your mail are as they were"
    exit 0
fi

for file in $files; do
    mkdir -p "$prefix/$(dirname "$file")"
    # Replaced by a rename: a mail server may run the program at any moment.
    cp -p "$file" "$prefix/$file.new"
    mv "$prefix/$file.new" "$prefix/$file"
done
"$prefix/bin/mfilter" --version
echo "Next: write ~/.mailrules (man mailrules; $prefix/share/doc/mfilter/examples), try it with"
echo "  $prefix/bin/mfilter check"
echo "and put this line into ~/.forward (other mail servers: share/doc/mfilter/docs/guide):"
echo "  \"|$prefix/bin/mfilter\""
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) echo "$prefix/bin is not in your PATH: add it, or use the whole name" ;;
esac
