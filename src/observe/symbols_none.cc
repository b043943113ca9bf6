#include "observe/symbols.h"

namespace weft::observe {

debug_information::debug_information(bool) {}
void debug_information::sources(std::uintptr_t, std::vector<source>&) const {}
std::string debug_information::symbol(std::uintptr_t) const { return {}; }

}  // namespace weft::observe
