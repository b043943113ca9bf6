#pragma once

// goroutine: what a goroutine can do about itself: be named and labelled in lists, stay on its
// thread, end early.
//
//   weft::set_name("reaper");
//   const weft::label of_request("request", id);          // for the block, and for what it starts
//   const weft::lock_thread here;                         // this thread, and nobody else on it
//   weft::goexit();                                       // destructors run, nothing follows

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

// set_name: the caller's name in lists and reports from now on, instead of go_options::name; kept
// up to 23 bytes. On a plain thread it names the thread, up to 15 bytes. Never waits.
void set_name(std::string_view name) noexcept;

// name: the caller's, as it was kept; empty if it has none.
[[nodiscard]] std::string name();

// label: the caller has a label `key` with `value` while this object lives; then it has again what
// it had before. Lists show labels as {key: value, ...}, and goroutines inherit those their starter
// has at that moment. Labels end in the goroutine that made
// them, the youngest first; else the process ends with a fatal error.
//
// A goroutine's keys and values together have labels_size bytes, of which each label takes two for
// itself; one that finds no room is not kept (kept() says so). On plain threads nothing is kept.
// Never waits. Throws nothing.
class [[nodiscard]] label {
 public:
  label(std::string_view key, std::string_view value) noexcept;
  ~label();
  label(const label&) = delete;
  label& operator=(const label&) = delete;

  [[nodiscard]] bool kept() const noexcept { return kept_; }

 private:
  void* outer_ = nullptr;  // what the goroutine had before
  void* own_ = nullptr;
  bool kept_ = false;
};

inline constexpr std::size_t labels_size = 239;

// find_label: the value of the caller's label `key`; nothing if it has none.
[[nodiscard]] std::optional<std::string> find_label(std::string_view key);

// lock_thread: while it lives the caller stays on its thread, and nobody else runs there: not in
// the caller's waits either. For libraries that keep things per thread, or hold locks that belong
// to a thread (through callbacks, for one); for system calls that change a thread: namespaces,
// credentials, affinity. Nests. Every wait costs two thread switches in place of one between
// goroutines. On a plain thread there is nothing to do.
//
// The locks of a goroutine are all gone when it ends; if one was kept (keep), the thread ends with
// it. Threads that weft starts inherit nothing from a locked one.
class [[nodiscard]] lock_thread {
 public:
  lock_thread() noexcept;
  ~lock_thread();
  lock_thread(const lock_thread&) = delete;
  lock_thread& operator=(const lock_thread&) = delete;

  // keep: until the goroutine ends, whatever becomes of this object. For a thread that must not be
  // used again: whose namespace was changed, say. It ends with the goroutine.
  void keep() noexcept;

 private:
  bool kept_ = false;
};

// goexit: ends the caller: its stack is unwound, as by an exception that nobody can catch:
// destructors run, which may wait. `catch (...)` sees it pass and must rethrow: one that ends
// otherwise ends the process with a fatal error. abi::__forced_unwind (cxxabi.h) is its type for
// handlers that want to let it through (there is no object behind that reference: UBSan says so,
// and the function needs __attribute__((no_sanitize("null")))). Not through a noexcept function,
// which ends the process.
//
// In a scope and in wait_group::go it counts as ended, not as failed. In the function of run() the
// other goroutines go on, and run does not return; when none is left the process dies with "no
// goroutines (main called runtime.Goexit) - deadlock!". On a plain thread: pthread_exit().
[[noreturn]] void goexit();

}  // namespace weft
