#pragma once

// net: connections and listeners for TCP and Unix sockets.

#include <weft/net/address.h>
#include <weft/net/conn.h>
#include <weft/net/dial.h>
#include <weft/net/listener.h>
