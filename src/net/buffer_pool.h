#pragma once

// buffer_pool: buffers of conn::lend_max bytes that readers borrow while bytes are there. One pool
// for the process, newest first; what is given back beyond a limit goes back to the system.

namespace weft::net {

// borrow_buffer: never null; throws bad_alloc.
[[nodiscard]] char* borrow_buffer();
void return_buffer(char* buffer) noexcept;

}  // namespace weft::net
