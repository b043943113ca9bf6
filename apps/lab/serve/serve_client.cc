#include <unistd.h>

#include <cerrno>
#include <vector>

#include "serve/output.h"
#include "serve/socket.h"

namespace lab {

void serve_client(int fd, const serve_options& options) {
  output out(options.how, published_form::c);
  std::vector<char> buffer(out.buffer_size());
  for (;;) {
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const std::span<const char> bytes(buffer.data(), static_cast<std::size_t>(n));
    if (!options.echo) {
      out.print(bytes);
    } else if (!write_all(fd, bytes)) {
      break;
    }
  }
  close_fd(fd);
}

}  // namespace lab
