#include "server/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tertulia {

store_result<folder_lock> folder_lock::take(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  folder_lock out(fd);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return out;
  if (errno == EWOULDBLOCK)
    return std::unexpected(
        store_error{store_error::kind::busy, folder + ": another server uses this folder"});
  return std::unexpected(
      store_error{store_error::kind::io, folder + ": " + std::generic_category().message(errno)});
}

folder_lock::~folder_lock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tertulia
