#pragma once

// net: connections and listeners for TCP and Unix sockets, and packets.

#include <weft/net/address.h>
#include <weft/net/conn.h>
#include <weft/net/dial.h>
#include <weft/net/listener.h>
#include <weft/net/packet_conn.h>
#include <weft/net/pipe_conn.h>
