#!/usr/bin/env python3
"""A loop-back file system with the oddities of network and foreign ones.

odd_fs.py ROOT MOUNT [ODDITY=VALUE ...]

    CALL=ERROR        the call is not done: link, rename, fsyncdir, flush
    CALL=ERROR:after  it is done, and then the error is told: its reply was lost
    lazy=ERROR        writes go nowhere, fsync does nothing, and flush tells the error
    name-max=N        longer names are ENAMETOOLONG
    no-colon=1        a colon in a name is EINVAL
    ignore-case=1     a name finds the file of that name in other letters
    unlink=ERROR      the call is not done, or after it was; not in `tmp`

link, rename, flush and lazy concern files in a directory `tmp` only.
"""

import errno
import os
import sys

try:
    from fuse import FUSE, FuseOSError, Operations
except ImportError:
    from fusepy import FUSE, FuseOSError, Operations

ROOT, MOUNT = sys.argv[1:3]
ODD = dict(argument.split("=", 1) for argument in sys.argv[3:])


def in_tmp(path):
    return os.path.basename(os.path.dirname(path)) == "tmp"


def odd(call, when):
    """Fails if this call is odd at this moment, `before` or `after` it is done."""
    error, _, moment = ODD.get(call, "").partition(":")
    if error and (moment or "before") == when:
        raise FuseOSError(getattr(errno, error))


class OddFs(Operations):
    def __call__(self, operation, *arguments):
        try:
            return super().__call__(operation, *arguments)
        except FuseOSError:
            raise
        except OSError as error:
            raise FuseOSError(error.errno)

    def real(self, path):
        name = os.fsencode(os.path.basename(path))
        if len(name) > int(ODD.get("name-max", 255)):
            raise FuseOSError(errno.ENAMETOOLONG)
        if "no-colon" in ODD and b":" in name:
            raise FuseOSError(errno.EINVAL)
        return self.found(path) if "ignore-case" in ODD else ROOT + path

    def found(self, path):
        real = ROOT
        for part in path.strip("/").split("/"):
            there = os.listdir(real) if os.path.isdir(real) else []
            same = [name for name in there if name.lower() == part.lower()]
            real = os.path.join(real, same[0] if same else part)
        return real

    def getattr(self, path, fh=None):
        about = os.lstat(self.real(path))
        return {key: getattr(about, key) for key in dir(about) if key.startswith("st_")}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.real(path))]

    def mkdir(self, path, mode):
        os.mkdir(self.real(path), mode)

    def chmod(self, path, mode):
        os.chmod(self.real(path), mode)

    def unlink(self, path):
        is_odd = not in_tmp(path)
        if is_odd:
            odd("unlink", "before")
        os.unlink(self.real(path))
        if is_odd:
            odd("unlink", "after")

    def create(self, path, mode, fi=None):
        return os.open(self.real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        return os.open(self.real(path), flags & ~os.O_NOFOLLOW)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        if "lazy" in ODD and in_tmp(path):
            return len(data)
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.real(path), length)

    def flush(self, path, fh):
        if in_tmp(path):
            odd("lazy", "before")
            odd("flush", "before")

    def release(self, path, fh):
        os.close(fh)

    def fsync(self, path, datasync, fh):
        return 0

    def fsyncdir(self, path, datasync, fh):
        odd("fsyncdir", "before")
        return 0

    def link(self, target, source):
        self.renamed("link", os.link, source, target)

    def rename(self, old, new):
        self.renamed("rename", os.rename, old, new)

    def renamed(self, call, done, old, new):
        is_odd = in_tmp(old)
        if is_odd:
            odd(call, "before")
        done(self.real(old), self.real(new))
        if is_odd:
            odd(call, "after")


FUSE(
    OddFs(), MOUNT, foreground=True, nothreads=True, default_permissions=True,
    use_ino=True, attr_timeout=0, entry_timeout=0, fsname="odd", hard_remove=True,
)
