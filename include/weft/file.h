#pragma once

// file: regular files, pipes, fifos, terminals and devices as streams.
//
//   auto in = weft::open("notes.txt").value();
//   while (auto n = in.read(buffer)) use({buffer, *n});
//   weft::write_file("notes.bak", text).value();
//   auto [reader, writer] = weft::pipe().value();
//
// What can wait - pipes, fifos, terminals, sockets - waits in the poller, as connections do: a wait
// costs no thread, and limits and close end it. It belongs to the runtime it was opened in
// (net/conn.h), and opening it from a plain thread without one throws misuse_error.
//
// A disk never says that it would wait: operations on regular files block a thread, as inside
// weft::blocking, while the processor serves others. At most six goroutines of a runtime are in
// such calls at once, the next ones wait in order; a read of what is in memory does not. When none
// of the six comes back for 100 ms, one more is let in: disks that hang do not stop all files.
//
// A call under way cannot be interrupted. Under a limit, and in a scope, it is made by a helper on
// copies of the bytes: when the limit passes the caller leaves, and the helper finishes alone;
// whether and how far it came is then unknown, and so is the position. A limit that has passed
// already ends it before it begins. Regular files belong to no runtime.
//
// Everything but moving and destroying may be called from several goroutines and threads at once.
// Errors name the operation and the path. The end is errc::eof; after close() it is errc::closed.
// Descriptors are close-on-exec.

#include <fcntl.h>
#include <weft/error.h>
#include <weft/io.h>
#include <weft/limit.h>
#include <weft/poll_fd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

namespace fs {
class open_file;
}

class [[nodiscard]] file {
 public:
  // file: none; every call fails with errc::closed.
  file() noexcept = default;
  file(file&&) noexcept = default;
  file& operator=(file&&) noexcept = default;
  // Closes it, if that was not done; calls under way keep the descriptor until they end.
  ~file() = default;

  // adopt: takes `fd`, which it closes in the end, also when this fails. One that can wait becomes
  // non-blocking, for everybody who shares its open file description. `name` is for errors.
  [[nodiscard]] static result<file> adopt(int fd, std::string_view name);
  // share: uses `fd` without changing or closing it: a descriptor of its own, and the blocking mode
  // left as it is, which a shell may share. Bytes are moved when the poller says that they can be,
  // at most 4096 a system call; another process that takes them first makes a thread wait.
  [[nodiscard]] static result<file> share(int fd, std::string_view name);

  // read: waits for bytes and takes as many of them as fit: their count, never 0 unless `buffer` is
  // empty. errc::eof at the end.
  result<std::size_t> read(std::span<char> buffer, const limit& l = {});

  // write: writes all; an error says how much it had written.
  write_result write(std::span<const char> bytes, const limit& l = {});
  // A string literal, without its terminating zero; and a buffer has to say how much of it.
  template <std::size_t Size>
  write_result write(const char (&literal)[Size], const limit& l = {}) {
    return write(std::span<const char>(literal, Size - 1), l);
  }
  template <std::size_t Size>
  write_result write(char (&buffer)[Size], const limit& l = {}) = delete;

  // pread, pwrite: the same from `offset` on, without the file's position; ESPIPE for what has
  // none.
  result<std::size_t> pread(std::span<char> buffer, std::int64_t offset, const limit& l = {});
  write_result pwrite(std::span<const char> bytes, std::int64_t offset, const limit& l = {});

  // seek: moves the position (SEEK_SET, SEEK_CUR, SEEK_END): the new one. ESPIPE for what has none.
  result<std::int64_t> seek(std::int64_t offset, int whence);

  // size: of a regular file, in bytes. truncate: makes it that long.
  [[nodiscard]] result<std::int64_t> size();
  result<void> truncate(std::int64_t size, const limit& l = {});

  // sync: waits until what was written is on the disk (fsync).
  result<void> sync(const limit& l = {});

  // close: ends calls that wait in the poller with errc::closed. errc::closed if it was closed
  // before. Never waits for a disk: sync() does, and says what went wrong.
  result<void> close();

  // native_handle: the descriptor; a loan, valid until close; -1 when there is none.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  explicit file(std::shared_ptr<fs::open_file> of) noexcept : of_(std::move(of)) {}

  std::shared_ptr<fs::open_file> of_;
};

// open_file: open(2) with `flags` (O_RDONLY, O_RDWR | O_CREAT, ...); `mode` for what it creates,
// less the umask. Opening a fifo waits for the other side.
[[nodiscard]] result<file> open_file(std::string_view path, int flags, int mode = 0666,
                                     const limit& l = {});

// open: to read.
[[nodiscard]] result<file> open(std::string_view path, const limit& l = {});

// create: to read and write; empty, whatever was there before.
[[nodiscard]] result<file> create(std::string_view path, const limit& l = {});

// read_file: all of it. write_file: makes it hold `bytes`, creating it if it is not there; one that
// fails or is left in the middle may hold a part.
[[nodiscard]] result<std::string> read_file(std::string_view path, const limit& l = {});
result<void> write_file(std::string_view path, std::span<const char> bytes, int mode = 0666,
                        const limit& l = {});

// pipe: what is written to the one is read from the other.
struct pipe_ends {
  file reader;
  file writer;
};
[[nodiscard]] result<pipe_ends> pipe();

// standard_in, standard_out, standard_error: files on descriptors 0 to 2, by file::share. Each call
// makes one: keep it.
[[nodiscard]] result<file> standard_in();
[[nodiscard]] result<file> standard_out();
[[nodiscard]] result<file> standard_error();

}  // namespace weft
