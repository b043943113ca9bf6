#pragma once

// goroutine: the paper's chat with goroutines: two per member, one file, and a condition.

#include <sys/types.h>

#include <string>

#include "serve/server.h"

namespace lab::chat {

struct goroutine_options {
  serve_options listen;
  std::string key;
  std::string file;
  off_t file_max = off_t{1024} * 1024 * 1024;
};

// serve_goroutines: serves for ever; a signal ends it. Throws runtime_error if the file cannot be
// opened.
void serve_goroutines(const goroutine_options& options);

}  // namespace lab::chat
