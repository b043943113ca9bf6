// channel: one channel with a ring (src/sync/channel_core.h, channel.cc). SENDERS send ROUNDS
// values each, RECEIVERS receive until they hear that it is closed, or for ever. Timers end a wait
// of each of the parties in TIMED (a mask; senders first), whenever they like, or none; CLOSERS
// close it. Select has a model of its own (select.pml).
//
// Checked: a value that was sent is received once or left in the ring, one whose sending failed
// never; values are received in the order in which they were sent or their senders came (I2);
// nobody waits beside a value or the other side (I1); nobody touches a frame that has ended (I3);
// what was sent before the close is received before anybody hears of it, who sends after it hears
// of it, and of two closers one is told that it was closed. When nothing can happen any more nobody
// waits who could be served, and nobody at all when it is closed.
//
// NO_REFILL    a receiver that makes room leaves the first sender where it is
// RING_FIRST   a sender looks whether the ring has room before it looks for receivers
// CLOSED_FIRST a receiver looks whether it is closed before it looks into the ring
// NO_NEXT      who lost the claim does not look for the next one who waits
// NO_LEAVE     whose wait a timer ended returns without taking its node out
// NO_EVICT     a close claims nobody
// BARE_CLOSE   a close does not take the lock
//
// verify: -DSENDERS=2 -DRECEIVERS=2 -DROUNDS=1 -DCAPACITY=0 -DTIMED=0 -DCLOSERS=1
// verify: -DSENDERS=2 -DRECEIVERS=1 -DROUNDS=2 -DCAPACITY=1 -DTIMED=0 -DCLOSERS=1
// verify: -DSENDERS=1 -DRECEIVERS=1 -DROUNDS=4 -DCAPACITY=2 -DTIMED=0 -DCLOSERS=2
// verify: -DSENDERS=2 -DRECEIVERS=1 -DROUNDS=2 -DCAPACITY=1 -DTIMED=5 -DCLOSERS=0
// verify: -DSENDERS=1 -DRECEIVERS=2 -DROUNDS=2 -DCAPACITY=0 -DTIMED=3 -DCLOSERS=1
// refute: -DSENDERS=2 -DRECEIVERS=1 -DROUNDS=2 -DCAPACITY=1 -DTIMED=0 -DCLOSERS=0 -DNO_REFILL
// refute: -DSENDERS=1 -DRECEIVERS=1 -DROUNDS=2 -DCAPACITY=1 -DTIMED=0 -DCLOSERS=0 -DRING_FIRST
// refute: -DSENDERS=1 -DRECEIVERS=1 -DROUNDS=2 -DCAPACITY=1 -DTIMED=0 -DCLOSERS=1 -DCLOSED_FIRST
// refute: -DSENDERS=1 -DRECEIVERS=2 -DROUNDS=1 -DCAPACITY=0 -DTIMED=2 -DCLOSERS=0 -DNO_NEXT
// refute: -DSENDERS=1 -DRECEIVERS=1 -DROUNDS=2 -DCAPACITY=0 -DTIMED=2 -DCLOSERS=0 -DNO_LEAVE
// refute: -DSENDERS=1 -DRECEIVERS=1 -DROUNDS=1 -DCAPACITY=0 -DTIMED=0 -DCLOSERS=1 -DNO_EVICT
// refute: -DSENDERS=1 -DRECEIVERS=1 -DROUNDS=1 -DCAPACITY=0 -DTIMED=0 -DCLOSERS=1 -DBARE_CLOSE

#define PARTIES (SENDERS + RECEIVERS)
#define VALUES (SENDERS * ROUNDS)
#define nothing 255
#define receivers 0
#define senders 1
#define side_of(p) ((p) < SENDERS)

mtype = {blocked, done, closed, timeout_};

chan queue[2] = [PARTIES] of { byte, byte };  // who waits, and the ticket of its wait
#if CAPACITY > 0
chan ring = [CAPACITY] of { byte };
#else
chan ring = [1] of { byte };
#endif
bool locked, is_closed, close_returned;
byte told;               // closers that were told to have closed it
bool alive[PARTIES];     // the frame in which a party waits
byte slot[PARTIES];      // its value, or the place for it
bool node[PARTIES];      // whether it stands in a queue
bool open[PARTIES];      // its wait is not decided
byte ticket[PARTIES];
mtype by[PARTIES];       // what decided it
byte arrival[VALUES];    // its place in the order in which values, or their senders, came
byte arrivals, newest;   // newest: of those that left
bool sent[VALUES], got[VALUES];

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

// arrives: the value is in the ring, on its way, or its sender waits. leaves: somebody receives it.
inline arrives(x) { d_step { arrivals++; arrival[x] = arrivals } }
inline leaves(x) { d_step { assert(arrival[x] > newest); newest = arrival[x] } }

inline claim(p, t, token) {
  d_step {
    won = open[p] && ticket[p] == t;
    if :: won -> open[p] = false; by[p] = token :: else fi
  }
}

// take, refill, put: as in channel.cc, with the lock.
inline refill() {
  do
  :: len(queue[senders]) > 0 ->
     d_step {
       queue[senders] ? other, t;
       node[other] = false;
       assert(alive[other]);
       v = slot[other]
     };
     claim(other, t, done);
     if
     :: won -> ring ! v; break
#ifdef NO_NEXT
     :: else -> break
#else
     :: else
#endif
     fi
  :: else -> break
  od;
  v = nothing
}

inline take() {
  outcome = blocked;
  if
#ifdef CLOSED_FIRST
  :: is_closed -> outcome = closed
  :: !is_closed && len(ring) > 0 ->
#else
  :: len(ring) > 0 ->
#endif
     assert(len(queue[receivers]) == 0);
     d_step { ring ? v; leaves(v); slot[me] = v; v = nothing };
     outcome = done
#ifndef NO_REFILL
     ; refill()
#endif
  :: else ->
     do
     :: outcome == blocked && len(queue[senders]) > 0 ->
        d_step {
          queue[senders] ? other, t;
          node[other] = false;
          assert(alive[other]);
          slot[me] = slot[other]
        };
        claim(other, t, done);
        if
        :: won -> leaves(slot[me]); outcome = done
#ifdef NO_NEXT
        :: else -> break
#else
        :: else
#endif
        fi
     :: else -> break
     od;
     if :: outcome == blocked && is_closed -> outcome = closed :: else fi
  fi
}

inline put() {
  outcome = blocked;
  if
  :: is_closed -> outcome = closed
#ifdef RING_FIRST
  :: !is_closed && len(ring) < CAPACITY -> arrives(v); ring ! v; outcome = done
#endif
  :: else ->
     do
     :: outcome == blocked && len(queue[receivers]) > 0 ->
        d_step {
          queue[receivers] ? other, t;
          node[other] = false;
          assert(alive[other]);
          slot[other] = v
        };
        claim(other, t, done);
        if
        :: won -> arrives(v); leaves(v); outcome = done
#ifdef NO_NEXT
        :: else -> break
#else
        :: else
#endif
        fi
     :: else -> break
     od;
     if
     :: outcome == blocked && len(ring) < CAPACITY -> arrives(v); ring ! v; outcome = done
     :: else
     fi
  fi
}

// begin, end_or_wait: around take() and put(); `outcome` says how it ended.
inline begin() {
  d_step { alive[me] = true; late = close_returned }
}

inline end_or_wait() {
  if
  :: outcome != blocked -> unlock()
  :: else ->
     d_step {
       assert(len(queue[1 - side_of(me)]) == 0);
       ticket[me]++;
       open[me] = true;
       queue[side_of(me)] ! me, ticket[me];
       node[me] = true;
       if :: side_of(me) -> arrives(slot[me]) :: else fi;
       unlock()
     };
end_parked:
     atomic { !open[me] -> outcome = by[me] };
     if
     :: outcome == timeout_ ->
#ifndef NO_LEAVE
        atomic {
          lock();
          if :: node[me] -> queue[side_of(me)] ?? eval(me), t; node[me] = false :: else fi;
          unlock()
        }
#endif
     :: else -> (!locked)  // pass
     fi
  fi;
  d_step {
    assert(outcome != closed || len(ring) == 0 || side_of(me));
    assert(!late || outcome == closed || (outcome == done && !side_of(me)));
    alive[me] = false; other = 0; t = 0; won = false; late = false
  }
}

proctype sender(byte me) {
  byte other, t, v = nothing, round;
  bool won, late;
  mtype outcome;
  do
  :: round < ROUNDS ->
     d_step { v = me * ROUNDS + round; slot[me] = v; round++ };
     begin();
     atomic { lock(); put() };
     end_or_wait();
     d_step {
       if :: outcome == done -> sent[(me * ROUNDS) + round - 1] = true :: else fi;
       outcome = 0
     }
  :: else -> break
  od
}

proctype receiver(byte me) {
  byte other, t, v = nothing;
  bool won, late;
  mtype outcome;
  do
  :: begin();
     atomic { lock(); take() };
     end_or_wait();
     d_step {
       if
       :: outcome == done -> assert(!got[slot[me]]); got[slot[me]] = true
       :: else
       fi;
       slot[me] = nothing
     };
     if :: outcome == closed -> break :: else -> outcome = 0 fi
  od
}

// timer: ends one wait of p, or none.
proctype timer(byte p) {
  byte t;
  bool won;
end:
  atomic { open[p] -> t = ticket[p] };
  if :: claim(p, t, timeout_) :: true fi
}

proctype closer() {
  byte other, t, side;
  bool won;
#ifdef BARE_CLOSE
  {
#else
  atomic {
    lock();
#endif
    if
    :: is_closed -> skip
    :: else ->
       is_closed = true;
       told++;
#ifndef NO_EVICT
       do
       :: side < 2 ->
          if
          :: len(queue[side]) > 0 ->
             d_step { queue[side] ? other, t; node[other] = false; assert(alive[other]) };
             claim(other, t, closed)
          :: else -> side++
          fi
       :: else -> break
       od
#endif
    fi;
#ifndef BARE_CLOSE
    unlock();
#endif
    close_returned = true
  }
}

init {
  byte n;
  atomic {
    do :: n < CLOSERS -> run closer(); n++ :: else -> n = 0; break od;
    do
    :: n < PARTIES ->
       if :: (TIMED >> n) & 1 -> run timer(n) :: else fi;
       slot[n] = nothing;
       if :: n < SENDERS -> run sender(n) :: else -> run receiver(n) fi;
       n++
    :: else -> n = 0; break
    od
  };
end:
  timeout;
  d_step {
    assert(!locked && told == (CLOSERS > 0));
    assert(!is_closed || (len(queue[receivers]) == 0 && len(queue[senders]) == 0));
    assert(!(len(queue[receivers]) > 0 && (len(ring) > 0 || len(queue[senders]) > 0)));
    assert(!(len(queue[senders]) > 0 && len(ring) < CAPACITY));
    n = 0;
    do
    :: n < PARTIES ->
       assert(!alive[n] || node[n]);
       n++
    :: else -> n = 0; break
    od;
    do
    :: len(ring) > 0 -> ring ? n; assert(!got[n]); got[n] = true
    :: else -> n = 0; break
    od;
    do
    :: n < VALUES -> assert(got[n] == sent[n]); n++
    :: else -> break
    od
  }
}
