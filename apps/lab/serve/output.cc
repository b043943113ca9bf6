#include "serve/output.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "serve/quote.h"
#include "serve/socket.h"

namespace lab {

void output::print(std::span<const char> bytes) const {
  if (how_ == variant::fair) {
    if (!write_all(STDOUT_FILENO, bytes)) die("standard output");
    return;
  }
  if (form_ == published_form::c) {
    std::printf("%zu bytes: ", bytes.size());
    std::printf("%.*s", static_cast<int>(bytes.size()), bytes.data());
    return;
  }
  if (!write_all(STDOUT_FILENO, quote(bytes))) die("standard output");
}

}  // namespace lab
