"""What the scripts of all libraries share: descriptors that can be told apart, and what they print."""

import os

PATH = "/org/example/Test"
INTERFACE = "org.example.Test"
LARGE = 4 << 20


def memfds(count):
    return [os.memfd_create("anchovy") for _ in range(count)]


def say(word, fds):
    files = [os.fstat(fd) for fd in fds]
    print(word, *(f"{file.st_dev}:{file.st_ino}" for file in files), flush=True)


def same(fds, others):
    """Both are open on the same files, in the same order."""
    one, other = ([os.fstat(fd) for fd in some] for some in (fds, others))
    return [(f.st_dev, f.st_ino) for f in one] == [(f.st_dev, f.st_ino) for f in other]


def large():
    return bytes(range(256)) * (LARGE // 256)


def drive(works, call):
    """Does works, which are separated by `+`. `call(member, signature, values, fds)` returns the values and descriptors of the
    answer; a value of the type `h` is an index of `fds` and of the descriptors returned."""
    for work in works.split("+"):
        do(work, call)


def do(work, call):
    if work == "call":
        values, fds = call("Echo", "s", ["hello"], [])
        assert (values, fds) == (["hello"], []), values
    elif work in ("one", "descriptors", "sixteen"):
        fds = memfds({"one": 1, "descriptors": 3, "sixteen": 16}[work])
        say("sent", fds)
        values, returned = call("Echo", "ah", [list(range(len(fds)))], fds)
        assert values == [list(range(len(fds)))], values
        assert same(fds, returned), (fds, returned)
        if work == "descriptors":
            values, given = call("Give", "", [], [])
            assert values == [[0, 1]], values
            say("given", given)
    elif work == "sink":
        fds = memfds(16)
        say("sent", fds)
        call("Take", "ah", [list(range(len(fds)))], fds)
    elif work == "large":
        fds, data = memfds(1), large()
        say("sent", fds)
        values, returned = call("Echo", "ayh", [data, 0], fds)
        assert bytes(values[0]) == data and values[1] == 0
        assert same(fds, returned), (fds, returned)
    else:
        raise SystemExit(f"there is no work {work}")
