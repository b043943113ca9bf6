// select: up to three selects over two unbuffered channels (src/sync/select.cc, channel_core.h), each
// with the cases of its mask CASES_p, ROUNDS_p times: 1 recv a, 2 send a, 4 recv b, 8 send b. Timers
// end the waits of the selects in TIMED, whenever they like; closers close the channels in CLOSED.
// What one receives from whom is counted; a frame is alive from the entering of its nodes to the
// return.
//
// Checked: each value that was sent was received once, on that channel, by the case that was chosen
// (I1 to I3 of select.cc, I3 of channel_core.h); nobody touches the node of a frame that has ended
// (I4); who can be matched does not wait for ever, and no two selects wait for each other's locks (no
// invalid end state).
//
// NO_EXCHANGE  a claim looks and then writes
// NO_ORDER     every second select locks the channels the other way round
// NO_LEAVE     who was served returns without taking its other nodes out
// ONE_SLOT     all cases of a select receive into the same place
// NO_RECHECK   having looked, it enters its nodes without trying again under the locks
// NO_TICKET    a claim does not ask which wait it was meant for
// BARE_CLOSE   a close does not take the channel's lock
//
// verify: -DCASES_0=6 -DCASES_1=9 -DCASES_2=0 -DROUNDS_0=2 -DROUNDS_1=2 -DTIMED=0 -DCLOSED=0
// verify: -DCASES_0=3 -DCASES_1=3 -DCASES_2=0 -DROUNDS_0=2 -DROUNDS_1=2 -DTIMED=0 -DCLOSED=0
// verify: -DCASES_0=5 -DCASES_1=2 -DCASES_2=8 -DROUNDS_0=2 -DROUNDS_1=1 -DTIMED=0 -DCLOSED=0
// verify: -DCASES_0=5 -DCASES_1=10 -DCASES_2=0 -DROUNDS_0=2 -DROUNDS_1=2 -DTIMED=3 -DCLOSED=0
// verify: -DCASES_0=6 -DCASES_1=9 -DCASES_2=0 -DROUNDS_0=1 -DROUNDS_1=2 -DTIMED=0 -DCLOSED=3
// refute: -DCASES_0=5 -DCASES_1=2 -DCASES_2=8 -DROUNDS_0=2 -DROUNDS_1=1 -DTIMED=0 -DCLOSED=0 -DNO_EXCHANGE
// refute: -DCASES_0=6 -DCASES_1=9 -DCASES_2=0 -DROUNDS_0=2 -DROUNDS_1=2 -DTIMED=0 -DCLOSED=0 -DNO_ORDER
// refute: -DCASES_0=5 -DCASES_1=2 -DCASES_2=8 -DROUNDS_0=2 -DROUNDS_1=1 -DTIMED=0 -DCLOSED=0 -DNO_LEAVE
// refute: -DCASES_0=5 -DCASES_1=2 -DCASES_2=8 -DROUNDS_0=2 -DROUNDS_1=1 -DTIMED=0 -DCLOSED=0 -DONE_SLOT
// refute: -DCASES_0=6 -DCASES_1=9 -DCASES_2=0 -DROUNDS_0=2 -DROUNDS_1=2 -DTIMED=0 -DCLOSED=0 -DNO_RECHECK
// refute: -DCASES_0=5 -DCASES_1=10 -DCASES_2=0 -DROUNDS_0=2 -DROUNDS_1=2 -DTIMED=3 -DCLOSED=0 -DNO_TICKET
// refute: -DCASES_0=6 -DCASES_1=9 -DCASES_2=0 -DROUNDS_0=1 -DROUNDS_1=2 -DTIMED=0 -DCLOSED=3 -DBARE_CLOSE

#define SELECTS 3
#define QUEUES 4  // 2 * channel + direction: recv 0, send 1
#define nothing 255
#define by_timer 16
#define of_close 8

bool locked[2], closed[2];
byte node[SELECTS * QUEUES];  // the ticket of the node that a select has in a queue; 0: none
byte slot[SELECTS * QUEUES];  // who sent the value that arrived
bool alive[SELECTS];          // its frame, in which its nodes and slots are
bool open[SELECTS];           // its wait is not decided
byte ticket[SELECTS];
byte by[SELECTS];             // what decided it: 1 + queue, perhaps of_close; by_timer + ticket
byte sent[SELECTS * 2];       // by select and channel
byte got[SELECTS * 2];        // from select and channel
byte running = SELECTS;

#define node_at(s, q) node[(s) * QUEUES + (q)]
#ifdef ONE_SLOT
#define slot_at(s, q) slot[(s) * QUEUES]
#else
#define slot_at(s, q) slot[(s) * QUEUES + (q)]
#endif
#ifdef NO_TICKET
#define meant(s, t) true
#else
#define meant(s, t) (ticket[s] == (t))
#endif

inline lock(c) { atomic { !locked[c] -> locked[c] = true } }
inline unlock(c) { locked[c] = false }
#define uses(c) ((cases >> (2 * (c))) & 3)

inline lock_all() {
#ifdef NO_ORDER
  if
  :: me % 2 == 1 -> if :: uses(1) -> lock(1) :: else fi; if :: uses(0) -> lock(0) :: else fi
  :: else ->
#else
  if
  :: true ->
#endif
     if :: uses(0) -> lock(0) :: else fi; if :: uses(1) -> lock(1) :: else fi
  fi
}
inline unlock_all() {
  d_step {
    if :: uses(0) -> unlock(0) :: else fi;
    if :: uses(1) -> unlock(1) :: else fi
  }
}

// claim: decides the wait t of s; `won` tells whether this did.
inline claim(s, t, token) {
#ifdef NO_EXCHANGE
  won = open[s] && meant(s, t);
  if :: won -> d_step { open[s] = false; by[s] = token } :: else fi
#else
  d_step {
    won = open[s] && meant(s, t);
    if :: won -> open[s] = false; by[s] = token :: else fi
  }
#endif
}

// next_in: the first select but me that stands in q.
inline next_in(q) {
  d_step {
    other = 0;
    do
    :: other < SELECTS && (other == me || node_at(other, q) == 0) -> other++
    :: else -> break
    od
  }
}

// try_case: take or put: `chosen` becomes q if it could be done. With the lock of its channel.
inline try_case(q) {
  won = false;
  do
  :: !won ->
     next_in(q ^ 1);
     if
     :: other == SELECTS -> break
     :: else ->
        d_step { t = node_at(other, q ^ 1); node_at(other, q ^ 1) = 0; assert(alive[other]) };
        if :: q & 1 -> assert(alive[other]); slot_at(other, q ^ 1) = me :: else fi;
        claim(other, t, 1 + (q ^ 1))
     fi
  :: else -> break
  od;
  if
  :: won ->
     d_step {
       chosen = q;
       if
       :: q & 1 -> sent[2 * me + q / 2]++
       :: else -> got[2 * other + q / 2]++
       fi
     }
  :: !won && closed[q / 2] -> chosen = q
  :: else
  fi
}

// try_all: the cases in any order.
inline try_all() {
  left = cases;
  do
  :: left == 0 || chosen != nothing -> break
  :: else ->
     if
     :: left & 1 -> left = left & 14; try_case(0)
     :: left & 2 -> left = left & 13; try_case(1)
     :: left & 4 -> left = left & 11; try_case(2)
     :: left & 8 -> left = left & 7; try_case(3)
     fi
  od
}

inline enter_channels() {
  d_step {
    ticket[me]++;
    open[me] = true;
    by[me] = 0;
    alive[me] = true;
    q = 0;
    do
    :: q < QUEUES ->
       if :: (cases >> q) & 1 -> node_at(me, q) = ticket[me]; slot_at(me, q) = nothing :: else fi;
       q++
    :: else -> break
    od;
    q = 0
  }
}

inline leave_channels() {
  d_step {
    q = 0;
    do :: q < QUEUES -> node_at(me, q) = 0; q++ :: else -> break od;
    q = 0
  }
}

// decide: what a wait ended by.
inline decide() {
  d_step {
    if
    :: by[me] & by_timer -> assert(by[me] == by_timer + ticket[me])
    :: by[me] & of_close -> skip
    :: else ->
       chosen = by[me] - 1;
       if
       :: chosen & 1 -> sent[2 * me + chosen / 2]++
       :: else ->
          assert(slot_at(me, chosen) < SELECTS);
          got[2 * slot_at(me, chosen) + chosen / 2]++
       fi
    fi
  }
}

proctype selection(byte me; byte cases; byte rounds) {
  byte other, t, q, left, chosen = nothing;
  bool won;
  do
  :: rounds > 0 ->
     rounds--;
     // Step 1: a look at some of them, each under its own lock.
     if
     :: cases & 3 ->
        lock(0); if :: cases & 1 -> try_case(0) :: cases & 2 -> try_case(1) fi; unlock(0)
     :: cases & 12 ->
        lock(1); if :: cases & 4 -> try_case(2) :: cases & 8 -> try_case(3) fi; unlock(1)
     :: true
     fi;
     if
     :: chosen == nothing ->
        lock_all();
#ifndef NO_RECHECK
        try_all();
#endif
        if
        :: chosen != nothing -> unlock_all()
        :: else ->
           enter_channels();
           unlock_all();
           (!open[me]);  // parked
#ifndef NO_LEAVE
           lock_all();
           leave_channels();
           unlock_all();
#endif
           decide();
           alive[me] = false
        fi
     :: else
     fi;
     d_step { chosen = nothing; other = 0; t = 0; left = 0; won = false }
  :: else -> break
  od;
  running--
}

// timer: of the wait t of s.
proctype timer(byte s; byte t) {
  bool won;
  (ticket[s] >= t || running == 0);
  if :: ticket[s] >= t -> claim(s, t, by_timer + t) :: else fi
}

proctype closer(byte c) {
  byte other, t, q = 2 * c, me = SELECTS;
  bool won;
#ifndef BARE_CLOSE
  lock(c);
#endif
  closed[c] = true;
  do
  :: q < 2 * c + 2 ->
     next_in(q);
     if
     :: other == SELECTS -> q++
     :: else ->
        d_step { t = node_at(other, q); node_at(other, q) = 0; assert(alive[other]) };
        claim(other, t, (1 + q) | of_close)
     fi
  :: else -> break
  od
#ifndef BARE_CLOSE
  ; unlock(c)
#endif
}

init {
  byte n;
  atomic {
    if :: TIMED & 1 -> run timer(0, 1); run timer(0, 2) :: else fi;
    if :: TIMED & 2 -> run timer(1, 1); run timer(1, 2) :: else fi;
    if :: CLOSED & 1 -> run closer(0) :: else fi;
    if :: CLOSED & 2 -> run closer(1) :: else fi;
    run selection(0, CASES_0, ROUNDS_0);
    run selection(1, CASES_1, ROUNDS_1);
    if :: CASES_2 -> run selection(2, CASES_2, 1) :: else -> running-- fi
  };
  (running == 0);
  d_step {
    n = 0;
    do
    :: n < 2 * SELECTS -> assert(sent[n] == got[n]); n++
    :: else -> break
    od
  }
}
