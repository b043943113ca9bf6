#pragma once

// chat_file: the one file that everything said is in. What the paper asks of it (section IV.A):
//   1. Lines of several writers do not overwrite each other: it is opened with O_APPEND, and a
//      write is made under an exclusive lock.
//   2. Nobody reads while somebody writes, so nobody reads half a line: reading takes a shared
//      lock.
//   3. Nobody writes while somebody reads.
//   4. Any number may read at once.
// flock(2) locks belong to an open file description, and so does the position of read(2). Both are
// shared by all who inherited the descriptor through fork: among them the lock locks nothing. So
// every process opens the file for itself (description.h).

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <utility>

namespace lab::chat {

class chat_file {
 public:
  // open: makes it, mode 0660, if it is not there. Nothing, and errno, if that fails.
  static std::optional<chat_file> open(const std::string& path);

  chat_file(chat_file&& other) noexcept;
  chat_file& operator=(chat_file&&) = delete;
  ~chat_file();

  // for_process: the same file for the process that calls it, after fork.
  [[nodiscard]] std::optional<chat_file> for_process() const;

  // descriptor: its own; a loan.
  [[nodiscard]] int descriptor() const noexcept { return fd_; }

  // append: `lines` to the end, and then `announce`, under the exclusive lock. All of them or, with
  // errno, none: EFBIG if the file would be longer than `most`.
  bool append(std::span<const char> lines, off_t most, void (*announce)());

  // read: at `offset`, under the shared lock: how much; 0 at the end; -1 and errno.
  ssize_t read(off_t offset, std::span<char> into);

  // replay_offset: where a member who enters begins to read; -1 and errno.
  off_t replay_offset();

 private:
  chat_file(std::string path, int fd) noexcept : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace lab::chat
