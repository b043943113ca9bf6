"""machine: what a figure was taken on."""
import os
import platform
import re


def processor_name():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        names = re.findall(r"^model name\s*:\s*(.*)$", info.read(), re.MULTILINE)
    return names[0] if names else platform.machine()


def memory_gib():
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)


def describe():
    return {
        "CPU": f"{processor_name()}, {len(os.sched_getaffinity(0))} processors",
        "memory": f"{memory_gib()} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def print_header(machine, versions, missing):
    lines = {**machine, **versions, **{name: f"missing: {why}" for name, why in missing.items()}}
    width = max(len(name) for name in lines)
    for name, text in lines.items():
        print(f"{name:{width}}  {text}")
    if float(machine["load before"]) > 0.5:
        print("The machine was not idle: absolute figures are high, and ratios less sure.")
