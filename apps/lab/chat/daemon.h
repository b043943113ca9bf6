#pragma once

// daemon: a process without a terminal, and where it says what happens.

namespace lab::chat {

// become_daemon: forks twice, in a session of its own, with its standard descriptors on /dev/null
// and all others but `keep_a` and `keep_b` closed. Those who started it go on, and end. From then
// on log() writes to the system's log.
void become_daemon(int keep_a, int keep_b);

// log: a line about this server, with what errno says if `with_errno`. Not for signal handlers.
void log(const char* text, bool with_errno = false);

}  // namespace lab::chat
