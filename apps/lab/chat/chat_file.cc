#include "chat/chat_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "chat/description.h"
#include "chat/lines.h"

namespace lab::chat {

namespace {

class file_lock {
 public:
  file_lock(int fd, int kind) noexcept : fd_(fd) {
    int e = 0;
    do {
      e = ::flock(fd_, kind);
    } while (e != 0 && errno == EINTR);
    held_ = e == 0;
  }
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;
  ~file_lock() {
    if (held_) ::flock(fd_, LOCK_UN);
  }
  [[nodiscard]] bool held() const noexcept { return held_; }

 private:
  int fd_;
  bool held_;
};

// write_whole: -1 and errno if not all could be written.
bool write_whole(int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// ends_in_line: whether what stands before `size` is whole. Who is killed while writing leaves half
// a line, to which nothing must be added.
bool ends_in_line(int fd, off_t size) {
  char last = '\n';
  if (size > 0 && read_at(fd, &last, 1, size - 1) != 1) return false;
  return last == '\n';
}

}  // namespace

std::optional<chat_file> chat_file::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0660);
  if (fd < 0) return std::nullopt;
  return chat_file(path, fd);
}

chat_file::chat_file(chat_file&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

chat_file::~chat_file() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<chat_file> chat_file::for_process() const {
  const int fd = description_of_process(path_.c_str(), fd_);
  if (fd < 0) return std::nullopt;
  return chat_file(path_, fd);
}

bool chat_file::append(std::span<const char> lines, off_t most, void (*announce)()) {
  const file_lock lock(fd_, LOCK_EX);
  if (!lock.held()) return false;
  struct stat about{};
  if (::fstat(fd_, &about) != 0) return false;
  const off_t size = about.st_size;
  if (size + static_cast<off_t>(lines.size()) >= most) {
    errno = EFBIG;
    return false;
  }
  constexpr std::array newline = {'\n'};
  const bool done =
      (ends_in_line(fd_, size) || write_whole(fd_, newline)) && write_whole(fd_, lines);
  if (!done) {
    const int why = errno;
    if (::ftruncate(fd_, size) != 0) return false;
    errno = why;
    return false;
  }
  announce();
  return true;
}

ssize_t chat_file::read(off_t offset, std::span<char> into) {
  const file_lock lock(fd_, LOCK_SH);
  if (!lock.held()) return -1;
  return read_at(fd_, into.data(), into.size(), offset);
}

off_t chat_file::replay_offset() {
  const file_lock lock(fd_, LOCK_SH);
  struct stat about{};
  if (!lock.held() || ::fstat(fd_, &about) != 0) return -1;
  std::array<char, replay_bytes> tail;
  const off_t begin = about.st_size > static_cast<off_t>(tail.size())
                          ? about.st_size - static_cast<off_t>(tail.size())
                          : 0;
  const auto size = static_cast<std::size_t>(about.st_size - begin);
  const auto n = read_at(fd_, tail.data(), size, begin);
  if (n < 0) return -1;
  const auto start = replay_start({tail.data(), static_cast<std::size_t>(n)}, begin == 0);
  return begin + static_cast<off_t>(start);
}

}  // namespace lab::chat
