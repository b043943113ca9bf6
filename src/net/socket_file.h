#pragma once

// socket_file: the file that a Unix socket is bound to, which comes and goes with it.

#include <sys/types.h>
#include <weft/net/address.h>

#include <optional>
#include <string>

#include "net/pollable.h"

namespace weft::net {

class socket_file {
 public:
  // socket_file: none. Of a socket that is bound to `where`: its file, if it has one.
  socket_file() noexcept = default;
  explicit socket_file(const address& where);

  // remove: unless another has taken its place. Only while the socket stands: until then no other
  // file can have its inode's number.
  void remove() const noexcept;

 private:
  struct id {
    dev_t device = 0;
    ino_t inode = 0;
    bool is_socket = false;
    bool operator==(const id&) const = default;
  };
  static id id_of(const std::string& path) noexcept;
  friend int bind_socket(int fd, const address& where, transport kind,
                         std::optional<unsigned> mode);

  std::string path_;
  id id_;
};

// bind_socket: binds, and takes the place of a socket file that its owner left behind. `mode`: the
// file's permissions, which it has from the beginning unless the umask forbids some. 0 or an errno.
[[nodiscard]] int bind_socket(int fd, const address& where, transport kind,
                              std::optional<unsigned> mode);

}  // namespace weft::net
