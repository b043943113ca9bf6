// rwmutex: visible readers and a writer that counts them (src/sync/rwmutex.cc). READERS read twice,
// WRITERS write once. Readers share SLOTS slots of the table and let go of any one of them, so two
// may meet in a slot, and one may unlock what another has locked. Of queues there is but how many are
// in them: a writer that has to wait sets `waiting` and tries again when the last one who has the
// lock has cleared it, or gives up.
//
// Checked: nobody reads while somebody writes (I1); an unlock finds a share; every share is let go
// of in the end; nobody waits for ever (no invalid end state). And whoever lets the queues' lock go
// without a part in the lock does so while somebody is in lock() who needs that lock: so whoever has
// it last may destroy it.
//
// NO_BARRIER  the store to the slot may come after the look at biased
// NO_LOOK     a reader does not look again whether the lock is biased still
// NO_BIT      a writer counts the visible readers without holding the write bit
// NO_QUEUE    a reader lets its share go though nobody is in a queue any more
// NO_QUEUE_W  a writer does so
// PATIENT     nobody gives up
//
// verify: -DSLOTS=1
// verify: -DSLOTS=2
// verify: -DSLOTS=2 -DPATIENT
// refute: -DSLOTS=2 -DNO_BARRIER
// refute: -DSLOTS=2 -DNO_LOOK
// refute: -DSLOTS=2 -DNO_BIT
// refute: -DSLOTS=1 -DNO_QUEUE
// refute: -DSLOTS=1 -DNO_QUEUE_W

#define READERS 2
#define WRITERS 2

bool slot[SLOTS], buffered[READERS];
bool biased = true, wbit, waiting, queues;  // queues: their lock
byte count, reading, writing, ended;
byte queued;
byte coming;  // who is in lock(), and needs the queues' lock before it returns

inline lock_queues() { atomic { !queues -> queues = true } }
inline unlock_queues() { queues = false }

// revoke: with the lock; `ours` says whether there was a bias to take.
inline revoke() {
  atomic {
    ours = biased;
    if
    :: biased ->
       biased = false;
#ifndef NO_BIT
       wbit = true
#endif
    :: else
    fi
  };
  n = 0;
  do
  :: ours && n < SLOTS ->
     atomic { taken = slot[n]; slot[n] = false };
     if :: taken -> count++ :: else fi;
     n++
  :: else -> break
  od
}

proctype reader(byte me) {
  byte round = 0, s, n;
  bool in, ours, taken;
  do
  :: round < 2 ->
     round++;
     in = false;
     s = me % SLOTS;
     if
     :: biased ->
        atomic {
          if
          :: !slot[s] ->
             taken = true;
#ifdef NO_BARRIER
             buffered[me] = true
#else
             slot[s] = true
#endif
          :: else -> taken = false
          fi
        };
        if
        :: taken ->
#ifdef NO_LOOK
           in = true
#else
           if
           :: biased -> in = true
           :: else ->
              atomic {
                if
                :: buffered[me] -> buffered[me] = false
                :: !buffered[me] && slot[s] -> slot[s] = false
                :: else -> in = true
                fi
              }
           fi
#endif
        :: else
        fi
     :: else
     fi;
     if
     :: !in ->
        atomic {
          !wbit && !waiting ->
          count++;
          if :: biased = true :: skip fi
        }
     :: else
     fi;
     skip;
     d_step { assert(writing == 0); reading++ };
     d_step { assert(writing == 0); reading-- };
     d_step { if :: buffered[me] -> buffered[me] = false; slot[s] = true :: else fi };
     // unlock, by anybody
     taken = false;
     do
     :: !taken ->
        if
        :: biased ->
           if :: s = 0 :: s = SLOTS - 1 fi;
           atomic { taken = slot[s]; slot[s] = false }
        :: else
        fi;
        if
        :: !taken ->
           atomic {
             if
             :: count > 1 || (count == 1 && !waiting) -> count--; taken = true
             :: else
             fi
           }
        :: else
        fi;
        if
        :: !taken ->
           lock_queues();
           if
           :: count == 0 ->
              assert(biased);
              revoke();
              taken = false;
              atomic { assert(ours && count > 0); wbit = false; unlock_queues() }
#ifndef NO_QUEUE
           :: count > 0 && queued == 0 -> atomic { waiting = false; unlock_queues() }
#endif
           :: else ->
              atomic {
                count--;
                if :: count == 0 -> waiting = false; queued = 0 :: else fi;
                taken = true
              };
              atomic { assert(coming > 0); unlock_queues() }
           fi
        :: else
        fi
     :: else -> break
     od
  :: else -> break
  od;
  ended++
}

// flush: the store buffer of a reader.
proctype flush(byte me) {
end:
  do
  :: atomic { buffered[me] -> buffered[me] = false; slot[me % SLOTS] = true }
  od
}

proctype writer() {
  byte n;
  bool ours, taken, again, owns = false, given_up = false;
  coming++;
  do
  :: !owns && !given_up ->
     lock_queues();
     ours = false;
     again = true;
     do
     :: again ->
        if :: biased -> revoke() :: else fi;
        atomic {
          again = false;
          if
          :: biased -> again = true
          :: !biased && count == 0 && (ours || !wbit) -> wbit = true; owns = true
          :: else ->
             if :: ours -> wbit = false :: else fi;
             waiting = true;
             queued++
          fi
        }
     :: else -> break
     od;
     atomic { if :: owns -> coming-- :: else fi; unlock_queues() };
     if
     :: !owns ->
        if
        :: !waiting
#ifndef PATIENT
        :: atomic {  // its limit is over
             !queues ->
             if :: waiting -> queued--; waiting = queued > 0 :: else fi;
             coming--;
             given_up = true
           }
#endif
        fi
     :: else
     fi
  :: else -> break
  od;
  if
  :: owns ->
     d_step { assert(reading == 0 && writing == 0); writing++ };
     d_step { assert(reading == 0); writing-- }
  :: else
  fi;
  do
  :: owns ->
     if
     :: atomic { !waiting -> wbit = false; owns = false }
     :: else ->
        lock_queues();
        if
#ifndef NO_QUEUE_W
        :: queued == 0 -> atomic { waiting = false; unlock_queues() }
#endif
        :: else ->
           atomic { wbit = false; waiting = false; queued = 0; owns = false };
           atomic { assert(coming > 0); unlock_queues() }
        fi
     fi
  :: else -> break
  od;
  ended++
}

init {
  byte n = 0;
  atomic {
    do
    :: n < READERS ->
       run reader(n);
#ifdef NO_BARRIER
       run flush(n);
#endif
       n++
    :: else -> break
    od;
    n = 0;
    do
    :: n < WRITERS -> run writer(); n++
    :: else -> break
    od
  };
  (ended == READERS + WRITERS);
  n = 0;
  do
  :: n < SLOTS -> assert(!slot[n]); n++
  :: else -> break
  od;
  assert(count == 0 && !wbit)
}
