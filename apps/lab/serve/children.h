#pragma once

namespace lab {

// reap_children: from now on children that end are waited for as they do, so that none stays as a
// zombie, and what they used is added to what /proc tells of their parent.
void reap_children();

}  // namespace lab
