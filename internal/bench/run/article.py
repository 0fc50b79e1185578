"""The program of the article, on lists that are parsed already or to be parsed.

An RSS reader keeps a dictionary: feed URL -> list of entries. Threads share
it and each fill places of their own; processes are given URLs and must send
their lists back: by a Pool, over Pipes, through a Queue, into the dictionary of
a Manager, or in shared memory.

Usage: article.py '{"mode": "pool", "workers": 2, "feeds": 200, ...}'. It does
the work twice with the same workers, and prints one line of JSON about the
second time. With "mode": "tear", several processes write to one pipe.

Standard library only. CPU time of other processes is read from their clocks,
and memory from smaps_rollup, which are things of Linux.
"""

import contextlib
import hashlib
import json
import multiprocessing as mp
import os
import pickle
import resource
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from multiprocessing import shared_memory

DISTINCT = 4  # different lists of one size, as in Go
FIELDS = (("guid", 40), ("link", 60), ("title", 50), ("author", 15), ("summary", 150), ("content", 1 << 30))


def make_lists(items, size):
    """The lists: entries whose text has as many bytes as those in Go."""
    text = ("etaoin shrdlu cmfwyp vbgkqj " * (size // 28 + 4))
    lists = []
    for n in range(DISTINCT):
        entries = []
        for i in range(items):
            at, left, entry = (n * items + i) % 28, size, {"published": 1_700_000_000}
            for field, most in FIELDS:
                length = min(most, left)
                left -= length
                entry[field] = text[at:at + length]
            entries.append(entry)
        lists.append(entries)
    return lists


LISTS = None  # in each worker, and in this process for threads
DOCUMENTS = None


def prepare(spec):
    global LISTS, DOCUMENTS
    if "documents" in spec:
        DOCUMENTS = []
        for name in spec["documents"]:
            with open(name, "rb") as f:
                DOCUMENTS.append(f.read())
    else:
        LISTS = make_lists(spec["items"], spec["bytes"])


def parse(document):
    """The entries of a feed, by the parser of the standard library."""
    names = {"guid": "guid", "id": "guid", "link": "link", "title": "title", "author": "author",
             "summary": "summary", "description": "summary", "encoded": "content", "content": "content"}
    entries = []
    for element in ElementTree.fromstring(document).iter():
        if element.tag.rsplit("}", 1)[-1] in ("item", "entry"):
            entry = dict.fromkeys((field for field, _ in FIELDS), "")
            for child in element:
                field = names.get(child.tag.rsplit("}", 1)[-1])
                if field and not entry[field]:
                    entry[field] = child.text or child.get("href", "")
            entries.append(entry)
    return entries


def refresh(url):
    """What a refresh of a feed gives: its list, parsed already or now."""
    n = int(url.rsplit("/", 1)[1])
    return parse(DOCUMENTS[n % len(DOCUMENTS)]) if DOCUMENTS else LISTS[n % DISTINCT]


def threads(urls, workers, _):
    """Threads share the dictionary; each has places of its own in it."""
    feeds = dict.fromkeys(urls)

    def fill(mine):
        for url in mine:
            feeds[url] = refresh(url)

    def work():
        ts = [threading.Thread(target=fill, args=(urls[n::workers],)) for n in range(workers)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        return feeds

    yield work


def pool(urls, workers, spec):
    with mp.Pool(workers, prepare, (spec,)) as p:
        yield lambda: dict(zip(urls, p.map(refresh, urls, 1)))


class Workers:
    """Processes that do what they are told over a pipe each."""

    def __init__(self, workers, spec, body, *shared):
        self.ends, self.processes = [], []
        for _ in range(workers):
            here, there = mp.Pipe()
            p = mp.Process(target=self.run, args=(there, spec, body, shared))
            p.start()
            there.close()
            self.ends.append(here)
            self.processes.append(p)

    @staticmethod
    def run(end, spec, body, shared):
        prepare(spec)
        while (mine := end.recv()) is not None:
            body(end, mine, *shared)

    def give(self, urls):
        n = len(self.ends)
        for i, end in enumerate(self.ends):
            end.send(urls[i::n])

    def stop(self):
        for end in self.ends:
            end.send(None)
        for p in self.processes:
            p.join()


def pipe_body(end, mine):
    for url in mine:
        end.send((url, refresh(url)))


def pipe(urls, workers, spec):
    w = Workers(workers, spec, pipe_body)

    def work():
        w.give(urls)
        feeds, left = {}, len(urls)
        while left:
            for end in mp.connection.wait(w.ends):
                url, entries = end.recv()
                feeds[url] = entries
                left -= 1
        return feeds

    yield work
    w.stop()


def queue_body(end, mine, q):
    for url in mine:
        q.put((url, refresh(url)))


def queue(urls, workers, spec):
    q = mp.Queue()
    w = Workers(workers, spec, queue_body, q)

    def work():
        w.give(urls)
        return dict(q.get() for _ in urls)

    yield work
    w.stop()


def manager_body(end, mine, feeds):
    for url in mine:
        feeds[url] = refresh(url)
    end.send(None)


def manager(urls, workers, spec):
    with mp.Manager() as m:
        feeds = m.dict()
        w = Workers(workers, spec, manager_body, feeds)

        def work():
            feeds.clear()
            w.give(urls)
            for end in w.ends:
                end.recv()
            return feeds.copy()

        yield work
        w.stop()


def shm_body(end, mine, name, at, lock):
    arena = shared_memory.SharedMemory(name)
    for url in mine:
        entries = pickle.dumps(refresh(url), pickle.HIGHEST_PROTOCOL)
        with lock:  # whoever has a stretch of the arena has it alone
            start = at.value
            at.value += len(entries)
        arena.buf[start:start + len(entries)] = entries
        end.send((url, start, len(entries)))
    arena.close()


def shm(urls, workers, spec):
    room = len(urls) * (spec["items"] * (spec["bytes"] + 400) + 4096)
    arena = shared_memory.SharedMemory(create=True, size=room)
    at, lock = mp.Value("q", 0, lock=False), mp.Lock()
    w = Workers(workers, spec, shm_body, arena.name, at, lock)

    def work():
        at.value = 0
        w.give(urls)
        feeds, left = {}, len(urls)
        while left:
            for end in mp.connection.wait(w.ends):
                url, start, length = end.recv()
                feeds[url] = pickle.loads(arena.buf[start:start + length])
                left -= 1
        return feeds

    yield work
    w.stop()
    arena.close()
    arena.unlink()


def pss():
    """Memory of this process and its children: shared pages are divided."""
    total = 0
    for pid in [os.getpid(), *children()]:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
    return total


def cpu_of(pid):
    """CPU time of all threads of a process; see clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def children():
    """The processes that this one has started, and theirs."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", "rb") as f:
                parents[int(pid)] = int(f.read().rsplit(b")", 1)[1].split()[1])
    found = [os.getpid()]
    for parent in found:
        found += [pid for pid, p in parents.items() if p == parent]
    return found[1:]


def judge(feeds, urls):
    """A hash of all lists in the order of the feeds, and their text's length."""
    h, total = hashlib.sha256(), 0
    for url in urls:
        for entry in feeds[url]:
            for field, _ in FIELDS:
                text = entry[field].encode()
                total += len(text)
                h.update(b"%d:" % len(text) + text)
        h.update(b";")
    return h.hexdigest()[:16], total


def sample(spec):
    urls = [f"http://example.org/feed/{i}" for i in range(spec["feeds"])]
    prepare(spec)
    with contextlib.contextmanager(globals()[spec["mode"]])(urls, spec["workers"], spec) as work:
        work()
        pids = children()
        before = [cpu_of(pid) for pid in pids]
        own, start = time.process_time_ns(), time.perf_counter_ns()
        feeds = work()
        wall, own = time.perf_counter_ns() - start, time.process_time_ns() - own
        others = sum(cpu_of(pid) for pid in pids) - sum(before)
        found, total = judge(feeds, urls)
        return {"wall_ns": wall, "pss_bytes": pss(), "cpu_ns": own + others, "coordinator_cpu_ns": own, "workers_cpu_ns": others,
                "hash": found, "copied_bytes": total, "read_calls": -1, "write_calls": -1}


def tear_body(fd, mark, spec, lock):
    frame = mark * spec["size"]
    for _ in range(spec["frames"]):
        if lock:
            with lock:
                write_all(fd, frame)
        else:
            write_all(fd, frame)


def write_all(fd, b):
    while b:
        b = b[os.write(fd, b):]


def tear(spec):
    """Several processes write whole frames to one pipe; how many come torn?"""
    r, w = os.pipe()
    lock = mp.Lock() if spec["lock"] else None
    before = used()
    ps = [mp.Process(target=tear_body, args=(w, b"%d" % n, spec, lock)) for n in range(spec["writers"])]
    for p in ps:
        p.start()
    os.close(w)
    torn, frames = 0, spec["frames"] * len(ps)
    with open(r, "rb", buffering=0) as f:
        for _ in range(frames):
            frame = b""
            while len(frame) < spec["size"] and (piece := f.read(spec["size"] - len(frame))):
                frame += piece
            torn += len(frame) != spec["size"] or frame.count(frame[:1]) != len(frame)
    for p in ps:
        p.join()
    return {"frames": frames, "torn": torn, "cpu_ns": int((used() - before) * 1e9 / frames)}


def used():
    """CPU seconds of this process and of the children it waited for, to the
    microsecond: os.times() counts in hundredths of a second."""
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


if __name__ == "__main__":
    mp.set_start_method("fork")  # so that a worker is there as soon as one is in Go
    what = json.loads(sys.argv[1])
    print(json.dumps(tear(what) if what["mode"] == "tear" else sample(what)))
