#include "net/buffer_pool.h"

#include <weft/net/conn.h>

#include <array>
#include <cstddef>

#include "base/lock.h"

namespace weft::net {
namespace {

constexpr std::size_t kept_max = 64;  // a megabyte

struct pool {
  base::lock<base::rank::leaf> lock;
  std::array<char*, kept_max> kept{};  // guarded by lock
  std::size_t count = 0;               // guarded by lock
};
constinit pool buffers;

}  // namespace

char* borrow_buffer() {
  {
    const base::locked hold(buffers.lock);
    if (buffers.count > 0) return buffers.kept[--buffers.count];
  }
  return new char[conn::lend_max];
}

void return_buffer(char* buffer) noexcept {
  {
    const base::locked hold(buffers.lock);
    if (buffers.count < kept_max) {
      buffers.kept[buffers.count++] = buffer;
      return;
    }
  }
  delete[] buffer;
}

}  // namespace weft::net
