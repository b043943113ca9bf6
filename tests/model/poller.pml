// poller: one record of a descriptor, in the read direction (src/poll/poller_epoll.cc,
// descriptor.h). It lives LIVES times, each time for another socket, on which a peer sends ITEMS
// bytes and an end. A user reads, two bytes at a time, until it has heard of the end or of a close;
// a limit ends up to LIMITS of its waits, whenever it likes. Each life has a closer that closes or
// does not. MACHINES collect events and deliver them, perhaps lives later. The kernel queues a
// socket once, when something comes, and says what is there when it is collected. What stands under
// the guard is one step here.
//
// Checked: what comes is read, nobody waits for ever (no invalid end state); one operation is
// pending at a time (contract), and while the record is open (I5); an event counts for the socket
// it tells of; a completion ends the wait that it belongs to, and of the counted ones all leave.
//
// NO_COUNT       arm() does not look whether an edge has come since the attempt
// LATE_COUNT     attempt() reads the count behind its system call
// NO_ENDED       a short transfer proves that nothing is there behind a reported end as well
// NO_OPEN        arm() does not look whether the record is open
// NO_EVICT       close() leaves what is pending
// NO_GENERATION  deliver() does not look at the generation
// NO_CANCEL      whose limit has passed does not withdraw its operation
// NO_TICKET      a completion ends whatever wait its waiter is in
//
// verify: -DLIVES=2 -DITEMS=1 -DLIMITS=0 -DMACHINES=1
// verify: -DLIVES=1 -DITEMS=2 -DLIMITS=1 -DMACHINES=1
// verify: -DLIVES=1 -DITEMS=1 -DLIMITS=1 -DMACHINES=2
// verify: -DLIVES=1 -DITEMS=2 -DLIMITS=0 -DMACHINES=2
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=0 -DMACHINES=1 -DNO_COUNT
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=0 -DMACHINES=1 -DLATE_COUNT
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=0 -DMACHINES=1 -DNO_ENDED
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=0 -DMACHINES=1 -DNO_OPEN
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=0 -DMACHINES=1 -DNO_EVICT
// refute: -DLIVES=2 -DITEMS=1 -DLIMITS=0 -DMACHINES=1 -DNO_GENERATION
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=1 -DMACHINES=1 -DNO_CANCEL
// refute: -DLIVES=1 -DITEMS=1 -DLIMITS=1 -DMACHINES=1 -DNO_TICKET

#define again 0   // results of system calls: -EAGAIN, the end, -EBADF, or 1 + bytes
#define at_end 8
#define bad 9

mtype = {ready, limit, by_close};

// The kernel: one socket at a time, of the life `life`.
byte life, bytes;
bool fin, registered, queued;
byte generation_of_key;  // what it was told of the record

// The record.
bool is_open, pending, ended;
byte generation, edges = 1, drained_at, cookie;  // cookie: the ticket of the wait
byte pending_count;

// The waiter, and who else has the descriptor in hand.
bool open;  // its wait is not decided
byte ticket;
mtype by;
bool closed, closer_in;

inline claim(t, token) {
  d_step {
#ifdef NO_TICKET
    if :: open -> open = false; by = token :: else fi
#else
    if :: open && ticket == t -> open = false; by = token :: else fi
#endif
  }
}

// system_call: read(2) of two bytes.
inline system_call() {
  d_step {
    if
    :: bytes >= 2 -> bytes = bytes - 2; result = 3
    :: bytes == 1 -> bytes = 0; result = 2
    :: bytes == 0 && fin -> result = at_end
    :: else -> result = again
    fi
  }
}

inline attempt(ask) {
  if
  :: !is_open -> result = bad
  :: else ->
     seen = edges;
     if
     :: drained_at == seen && !ask -> result = again
     :: else ->
        system_call();
#ifdef LATE_COUNT
        seen = edges;
#endif
        d_step {
#ifdef NO_ENDED
          drained_at = ((result == again || result == 2) -> seen : 0)
#else
          drained_at = ((result == again || (result == 2 && !ended)) -> seen : 0)
#endif
        }
     fi
  fi
}

// arm: `armed` says whether it did.
inline arm() {
  d_step {
    armed = true;
#ifndef NO_OPEN
    if :: !is_open -> armed = false :: else fi;
#endif
#ifndef NO_COUNT
    if :: edges != drained_at -> armed = false :: else fi;
#endif
    if
    :: armed -> assert(!pending); pending = true; cookie = ticket; pending_count++
    :: else
    fi
  }
}

inline drop() {
  d_step { assert(pending && pending_count > 0); pending = false; cookie = 0; pending_count-- }
}

// close_it: once; the fd stays open for those who are in calls.
inline close_it() {
  atomic {
    is_open = false;
    generation++;
    t = 0;
#ifndef NO_EVICT
    if :: pending -> t = cookie; drop() :: else fi
#endif
  };
  if :: t != 0 -> claim(t, by_close) :: else fi;
  d_step { registered = false; queued = false; t = 0 }
}

proctype peer(byte mine) {
  byte n;
  do
  :: atomic {
       life == mine && n < ITEMS -> n++; bytes++; queued = registered
     }
  :: atomic { life == mine && n == ITEMS -> fin = true; queued = registered }; break
  :: atomic { life != mine -> break }
  od
}

proctype closer() {
  byte t;
  bool mine;
  if
  :: true -> d_step { mine = !closed; closed = true }; if :: mine -> close_it() :: else fi
  :: true
  fi;
  closer_in = false
}

proctype machine() {
  byte of_life, of_generation, t;
  bool says_end;
end:
  do
  :: d_step {
       queued -> queued = false;
       of_life = life; of_generation = generation_of_key; says_end = fin
     };
     // deliver
     d_step {
       t = 0;
       if
#ifndef NO_GENERATION
       :: generation != of_generation -> skip
#endif
       :: else ->
          assert(of_life == life);
          if :: says_end -> ended = true :: else fi;
          edges++;
          if :: pending -> t = cookie; drop() :: else fi
       fi
     };
     if :: t != 0 -> claim(t, ready) :: else fi;
     d_step { t = 0; of_life = 0; of_generation = 0; says_end = false }
  od
}

proctype limits() {
  byte n, t;
end:
  do
  :: atomic { n < LIMITS && open -> t = ticket; n++ }; if :: claim(t, limit) :: true fi; t = 0
  :: n == LIMITS -> break
  od
}

proctype user() {
  byte result, seen, t;
  bool armed, mine;
  do
  :: life < LIVES ->
     d_step {
       assert(!pending);  // I5
       life++; bytes = 0; fin = false; closed = false; closer_in = true;
       is_open = true; ended = false; drained_at = 0;
       generation_of_key = generation; registered = true; queued = false
     };
     run peer(life);
     run closer();
     do
     :: // run(): start() until it is pending or done, then the wait.
        d_step { ticket++; open = true };
        do
        :: attempt(false);
           if
           :: result != again -> d_step { open = false }; break
           :: else ->
              arm();
              if
              :: armed ->
                 (!open);
                 seen = 0;
                 if
                 :: by == limit ->
#ifndef NO_CANCEL
                    d_step { if :: pending && cookie == ticket -> drop() :: else fi };
#endif
                    attempt(true)
                 :: else
                 fi;
                 break
              :: else
              fi
           fi
        od;
        if
        :: result == at_end || result == bad -> break
        :: else -> d_step { result = 0; armed = false; by = 0; seen = 0 }
        fi
     od;
     atomic { mine = !closed; closed = true };
     if :: mine -> close_it() :: else fi;
     (!closer_in);  // release
     d_step { result = 0; seen = 0; armed = false; mine = false }
  :: else -> break
  od;
  assert(!pending && pending_count == 0)
}

init {
  byte n;
  atomic {
    do :: n < MACHINES -> run machine(); n++ :: else -> break od;
    run limits();
    run user()
  }
}
