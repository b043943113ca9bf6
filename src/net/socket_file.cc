#include "net/socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "net/socket.h"
#include "poll/sockets.h"

namespace weft::net {
namespace {

std::string path_of(const address& where) {
  if (where.kind() != address::family::unix_path) return {};
  auto path = where.host();
  return path.starts_with('@') ? std::string() : path;
}

// answers: whether somebody has the other end of a Unix socket, or may.
bool answers(const address& where, transport kind) noexcept {
  const auto probe = open_socket(where, kind);
  if (!probe) return true;
  const auto size = static_cast<socklen_t>(where.native_size());
  return poll::connect_socket(probe->get(), where.native(), size) == 0 || errno != ECONNREFUSED;
}

}  // namespace

socket_file::socket_file(const address& where) : path_(path_of(where)), id_(id_of(path_)) {}

socket_file::id socket_file::id_of(const std::string& path) noexcept {
  struct stat s{};
  if (path.empty() || ::lstat(path.c_str(), &s) != 0) return {};
  return {s.st_dev, s.st_ino, S_ISSOCK(s.st_mode)};
}

void socket_file::remove() const noexcept {
  if (id_.is_socket && id_of(path_) == id_) ::unlink(path_.c_str());
}

int bind_socket(int fd, const address& where, transport kind, std::optional<unsigned> mode) {
  const auto path = path_of(where);
  const bool has_mode = mode && !path.empty();
  // The file that bind makes has the socket's own mode, less the umask.
  if (has_mode && ::fchmod(fd, *mode) != 0) return errno;
  const auto size = static_cast<socklen_t>(where.native_size());
  if (poll::bind_socket(fd, where.native(), size) != 0) {
    const int first = errno;
    if (first != EADDRINUSE || path.empty()) return first;
    const auto before = socket_file::id_of(path);
    // The same file still: who starts at the same time as we may have replaced it meanwhile.
    if (!before.is_socket || answers(where, kind) || !(socket_file::id_of(path) == before)) {
      return first;
    }
    ::unlink(path.c_str());
    if (poll::bind_socket(fd, where.native(), size) != 0) return errno;
  }
  if (!has_mode || ::chmod(path.c_str(), *mode) == 0) return 0;
  const int refused = errno;
  ::unlink(path.c_str());
  return refused;
}

}  // namespace weft::net
