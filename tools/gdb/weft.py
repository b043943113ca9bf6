"""Goroutines for gdb, in a process and in a core.

    (gdb) source weft.py
    (gdb) info goroutines [TEXT]      all of them, or those whose line has TEXT in it
    (gdb) goroutine N                 shows its stack from now on: bt, up, frame, info locals; N is
                                      a number, or a name that only one has
    (gdb) goroutine N COMMAND         runs a command of gdb there
    (gdb) goroutine all COMMAND       runs it in each
    (gdb) goroutine off               back to the thread

A goroutine that runs is on a thread, which `goroutine N` selects. One that waits is not: gdb is told
that the thread's innermost frame was called from where the goroutine waits, which changes nothing in
the process. So its frames begin at #1, and #0, which is hidden, is the thread's. It ends when the
process goes on.

It needs no debug information of weft, but its symbols: weft_debug_layout (src/sched/debugger.cc).
"""

import re

import gdb
import gdb.frames
import gdb.unwinder

# What the switch leaves at the lowest address of a stack that waits (src/arch/switch_*.S): where
# each register is, how far the caller's stack pointer is above, which is the program counter, and the
# stack pointer.
FRAMES = {
    "i386:x86-64": (
        {"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56},
        64, "rip", "rsp"),
    "aarch64": (
        {**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88},
        176, "pc", "sp"),
}

PHASES = ["idle", "runnable", "running", "armed", "parked", "claimed"]


class Layout:
    """Where things lie: weft_debug_layout, by name."""

    def __init__(self):
        word = gdb.lookup_type("unsigned long")
        self.word = word
        self.text = gdb.lookup_type("char").pointer()
        self.values = {}
        self.addresses = {}
        at = symbol("weft_debug_layout")
        while True:
            name = self.pointer(at)
            if name == 0:
                break
            name = self.string(name)
            self.values[name] = self.pointer(at + 8)
            self.addresses[name] = self.pointer(at + 16)
            at += 24
        self.reasons = []
        at = symbol("weft_debug_reasons")
        while self.pointer(at) != 0:
            self.reasons.append(self.string(self.pointer(at)))
            at += 8

    def __getitem__(self, name):
        return self.values[name]

    def pointer(self, at):
        return int.from_bytes(gdb.selected_inferior().read_memory(at, 8).tobytes(), "little")

    def string(self, at):
        if at == 0:
            return ""
        return gdb.Value(at).cast(self.text).string(errors="replace")


def symbol(name):
    found = re.match(r"Symbol .* is at 0x([0-9a-f]+)|.*at address 0x([0-9a-f]+)",
                     info_address(name))
    if not found:
        raise gdb.GdbError(
            f"there is no {name}: is this a program with weft, and has it its symbols?")
    return int(found.group(1) or found.group(2), 16)


def info_address(name):
    try:
        return gdb.execute(f"info address {name}", to_string=True)
    except gdb.error:
        return ""


class Goroutine:
    def __init__(self, layout, record):
        self.layout = layout
        data = gdb.selected_inferior().read_memory(record, layout["goroutine.size"]).tobytes()

        def number(name, size=8):
            at = layout["goroutine." + name]
            return int.from_bytes(data[at:at + size], "little")

        self.phase = PHASES[number("word") & 7]
        if self.phase == "idle":
            return
        self.id = number("id")
        at = layout["goroutine.name"]
        name = data[at:at + layout["goroutine.name_size"]]
        self.name = name.split(b"\0")[0].decode(errors="replace")
        self.reason = number("reason", 1)
        self.object = number("object")
        self.labels_at = number("labels")
        self.locked = number("locked_to") != 0
        self.sp = number("context")
        self.site = (number("site_function"), number("site_file"), number("site_line", 4))
        stack = number("stack")
        self.begun = stack != 0
        self.low, self.high = 0, 0
        if self.begun:
            self.low = layout.pointer(stack + layout["stack.low"])
            self.high = layout.pointer(stack + layout["stack.high"])
        self.thread = None

    def holds(self, address):
        return self.low <= address < self.high

    def state(self):
        if self.thread is not None:
            return f"running on thread {self.thread.num}"
        if self.phase == "parked":
            return self.layout.reasons[self.reason]
        return "runnable" if self.phase in ("runnable", "claimed") else self.phase

    def labels(self):
        if self.labels_at == 0:
            return ""
        text = gdb.selected_inferior().read_memory(
            self.labels_at + self.layout["labels.text"], self.layout["labels.size"]).tobytes()
        words = text.split(b"\0\0")[0].split(b"\0")
        pairs = (f"{k.decode(errors='replace')}: {v.decode(errors='replace')}"
                 for k, v in zip(words[::2], words[1::2]))
        return " {" + ", ".join(pairs) + "}"

    def line(self):
        function, file, line = self.site
        name = f' "{self.name}"' if self.name else ""
        on = f" on {self.object:#x}" if self.phase == "parked" and self.object else ""
        locked = ", locked to thread" if self.locked else ""
        created = f"{self.layout.string(function)} at {self.layout.string(file)}:{line}"
        return f"{self.id}{name} [{self.state()}{on}{locked}]{self.labels()} created by {created}"


def goroutines():
    """All, in the order of their numbers."""
    layout = Layout()
    inferior = gdb.selected_inferior()
    found = []
    for i in range(layout["registry.size"]):
        scheduler = layout.pointer(layout.addresses["registry.size"] + 8 * i)
        if scheduler == 0:
            continue
        pool = scheduler + layout["scheduler.pool"]
        slab = layout.pointer(pool + layout["pool.slabs"])
        for _ in range(layout.pointer(pool + layout["pool.count"])):
            record = layout.pointer(slab + layout["slab.records"])
            words = inferior.read_memory(
                record, layout["goroutine.size"] * layout["slab.goroutines"]).tobytes()
            for n in range(layout["slab.goroutines"]):
                at = n * layout["goroutine.size"]
                if words[at + layout["goroutine.word"]] & 7 != 0:
                    found.append(Goroutine(layout, record + at))
            slab += layout["slab.size"]
    assign_threads(found)
    return sorted(found, key=lambda g: g.id)


def assign_threads(all_of_them):
    """Whoever has a thread's stack pointer in its stack is on that thread."""
    stacks = sorted((g for g in all_of_them if g.low != 0), key=lambda g: g.low)
    lows = [g.low for g in stacks]
    with kept_selection():
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            at = bisect(lows, real_sp())
            if at > 0 and stacks[at - 1].holds(real_sp()):
                stacks[at - 1].thread = thread


def bisect(values, wanted):
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return low


def frame_of_cpu():
    name = gdb.selected_inferior().architecture().name()
    if name not in FRAMES:
        raise gdb.GdbError(f"the stacks of goroutines that wait cannot be read on {name}")
    return FRAMES[name]


def real_sp():
    return int(gdb.newest_frame().read_register(frame_of_cpu()[3])) & (2**64 - 1)


class kept_selection:
    def __enter__(self):
        self.thread = gdb.selected_thread()
        try:
            self.level = gdb.selected_frame().level()
        except gdb.error:
            self.level = 0

    def __exit__(self, *_):
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
            frame = gdb.newest_frame()
            for _ in range(self.level):
                frame = frame.older() or frame
            frame.select()


class Shown:
    """The goroutine whose stack stands behind the innermost frame of a thread."""

    goroutine = None
    thread = None
    sp = 0

    @classmethod
    def show(cls, goroutine):
        thread = gdb.selected_thread()
        cls.hide()
        cls.sp = real_sp()
        cls.goroutine, cls.thread = goroutine, thread.num
        gdb.invalidate_cached_frames()

    @classmethod
    def hide(cls):
        cls.goroutine = cls.thread = None
        gdb.invalidate_cached_frames()

    @classmethod
    def here(cls):
        thread = gdb.selected_thread()
        return cls.goroutine is not None and thread is not None and thread.num == cls.thread


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class ParkedUnwinder(gdb.unwinder.Unwinder):
    """What called a thread's innermost frame: the goroutine that is shown."""

    def __init__(self):
        super().__init__("weft-goroutine")

    def __call__(self, pending):
        if not Shown.here():
            return None
        offsets, size, pc_name, sp_name = frame_of_cpu()
        sp = pending.read_register(sp_name)
        if int(sp) & (2**64 - 1) != Shown.sp:
            return None
        pc = pending.read_register(pc_name)
        parked = Shown.goroutine.sp
        # An id that lies below the frames that follow, or gdb thinks the stack corrupt.
        info = pending.create_unwind_info(
            FrameId(gdb.Value(parked).cast(sp.type), gdb.Value(int(pc)).cast(pc.type)))
        layout = Shown.goroutine.layout
        for name, offset in offsets.items():
            kind = pending.read_register(name).type
            info.add_saved_register(name, gdb.Value(layout.pointer(parked + offset)).cast(kind))
        info.add_saved_register(sp_name, gdb.Value(parked + size).cast(sp.type))
        return info


class HideThreadFrame:
    """bt of a goroutine that waits begins with its own frames."""

    def __init__(self):
        self.name = "weft-goroutine"
        self.priority = 100
        self.enabled = True
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        if not Shown.here():
            return frames
        return (f for f in frames if f.inferior_frame().level() != 0)


class InfoGoroutines(gdb.Command):
    """List the goroutines: info goroutines [TEXT]
With TEXT, those whose line has TEXT in it."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        count = shown = 0
        for g in goroutines():
            count += 1
            line = g.line()
            if argument and argument not in line:
                continue
            shown += 1
            star = "*" if is_selected(g) else " "
            print(f"{star} {line}")
        print(f"{shown} of {count} goroutines" if argument else f"{count} goroutines")


def is_selected(g):
    if Shown.here():
        return Shown.goroutine.id == g.id
    return g.thread is not None and g.thread.num == gdb.selected_thread().num


class GoroutineCommand(gdb.Command):
    """Select a goroutine, or run a command in it.
goroutine N          its stack is what bt, up, frame and info locals show; N is a number or a name
goroutine N COMMAND  runs COMMAND there, and comes back
goroutine all COMMAND
goroutine off        back to the thread
goroutine            which one is selected"""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        which, _, command = argument.strip().partition(" ")
        command = command.strip()
        everyone = goroutines()
        if which == "":
            selected = [g for g in everyone if is_selected(g)]
            print(selected[0].line() if selected else "no goroutine is selected")
        elif which == "off":
            Shown.hide()
            gdb.execute("frame 0")
        elif which == "all":
            if not command:
                raise gdb.GdbError("goroutine all COMMAND: which command? (bt, for one)")
            for g in everyone:
                print(f"\ngoroutine {g.line()}")
                self.run_there(g, command)
        else:
            found = [g for g in everyone if which in (str(g.id), g.name)]
            if not found:
                raise gdb.GdbError(
                    f"there is no goroutine {which} (info goroutines lists them)")
            if len(found) > 1:
                raise gdb.GdbError(
                    f"there are {len(found)} goroutines {which}: "
                    f"numbers {', '.join(str(g.id) for g in found[:10])}")
            if command:
                self.run_there(found[0], command)
            else:
                print(f"goroutine {found[0].line()}")
                select(found[0])

    @staticmethod
    def run_there(g, command):
        before = Shown.goroutine, Shown.thread, Shown.sp
        with kept_selection():
            try:
                if select(g, quiet=True):
                    gdb.execute(command)
            except gdb.error as e:
                print(e)
            Shown.hide()
        Shown.goroutine, Shown.thread, Shown.sp = before
        gdb.invalidate_cached_frames()
        if Shown.here():
            gdb.newest_frame().older().select()


def select(g, quiet=False):
    """True if it has a stack."""
    if g.thread is not None:
        Shown.hide()
        g.thread.switch()
        if not quiet:
            gdb.execute("frame 0")
        return True
    if not g.begun:
        print("it has not begun: it has no stack")
        return False
    if g.low == 0:
        print("its stack is not in this core: gdb's generate-core-file stops at the guards of stacks"
              " (not with WEFT_STACK_GUARD=mprotect); the kernel's cores are whole")
        return False
    if g.phase not in ("parked", "runnable", "claimed"):
        print(f"it is {g.phase}, between two stacks: go a step further")
        return False
    Shown.show(g)
    gdb.newest_frame().older().select()
    if not quiet:
        gdb.execute("frame")
    return True


ParkedUnwinder.instance = ParkedUnwinder()
gdb.unwinder.register_unwinder(None, ParkedUnwinder.instance, replace=True)
HideThreadFrame()
InfoGoroutines()
GoroutineCommand()
gdb.events.cont.connect(lambda _: Shown.hide())
