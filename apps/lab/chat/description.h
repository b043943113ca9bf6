#pragma once

// description: whose lock and whose position in the file it is. description.cc is right;
// description_shared.cc is what the paper's chat does, for the test that must find out.

#include <sys/types.h>

#include <cstddef>

namespace lab::chat {

// description_of_process: a descriptor of `path` for the calling process, whose parent's is
// `inherited`; -1 and errno.
int description_of_process(const char* path, int inherited);

// read_at: as pread(2).
ssize_t read_at(int fd, void* into, std::size_t size, off_t offset);

}  // namespace lab::chat
