// sleep: no wake-up is lost (src/sched/scheduler.cc, "No lost wake-up", "Who watches"). PROCESSORS
// processors, MACHINES machines, all asleep at first. Plain threads push work and arm one timer; a
// goroutine is inside blocking() at first, comes back from it (end_blocking), and blocks again
// (hand_off). Machines look for work, spin, go idle, sleep in the poller or until they are handed a
// processor. Queues and timers are counts; each line is one seq_cst step, so that a missing barrier
// is written as the read before the write.
//
// Checked when nothing can happen any more: no work is queued, the timer has fired, and MEET
// goroutines that wait in user code for each other ran at once. And: while a machine brings what it
// found in the poller, nobody sees a deadlock.
//
// NO_PUSH_BARRIER   the submitter looks at idle_count and spinning before it pushes
// NO_IDLE_BARRIER   go_idle() reads the queues before the processor is given back
// NO_LAST_SPINNER   stop_spinning() does not look at what is left
// NO_SECOND_LOOK    wake_processor() does not look again when it got no processor
// NO_WATCH          hand_off() does not look whether somebody watches
// NO_HEAP_BARRIER   the poller's sleeper reads the timers before it says that it sleeps
// EARLY_LEAVE       the poller's sleeper makes room before it has queued what it found
//
// verify: -DPROCESSORS=1 -DSUBMITTERS=2 -DARMERS=0 -DBLOCKERS=1 -DMEET=0
// verify: -DPROCESSORS=1 -DSUBMITTERS=1 -DARMERS=1 -DBLOCKERS=1 -DMEET=0
// verify: -DPROCESSORS=2 -DSUBMITTERS=2 -DARMERS=0 -DBLOCKERS=0 -DMEET=2
// verify: -DPROCESSORS=2 -DSUBMITTERS=1 -DARMERS=1 -DBLOCKERS=0 -DMEET=0
// refute: -DPROCESSORS=1 -DSUBMITTERS=2 -DARMERS=0 -DBLOCKERS=0 -DMEET=0 -DNO_PUSH_BARRIER
// refute: -DPROCESSORS=1 -DSUBMITTERS=2 -DARMERS=0 -DBLOCKERS=0 -DMEET=0 -DNO_IDLE_BARRIER
// refute: -DPROCESSORS=2 -DSUBMITTERS=2 -DARMERS=0 -DBLOCKERS=0 -DMEET=2 -DNO_LAST_SPINNER
// refute: -DPROCESSORS=1 -DSUBMITTERS=2 -DARMERS=0 -DBLOCKERS=1 -DMEET=0 -DNO_SECOND_LOOK
// refute: -DPROCESSORS=1 -DSUBMITTERS=0 -DARMERS=1 -DBLOCKERS=1 -DMEET=0 -DNO_WATCH
// refute: -DPROCESSORS=1 -DSUBMITTERS=1 -DARMERS=1 -DBLOCKERS=0 -DMEET=0 -DNO_HEAP_BARRIER
// refute: -DPROCESSORS=1 -DSUBMITTERS=1 -DARMERS=1 -DBLOCKERS=0 -DMEET=0 -DEARLY_LEAVE

#define MACHINES (PROCESSORS + 1)

byte work;                        // queued goroutines
byte idle_count = PROCESSORS;
byte spinning;
bool polling;
mtype = {awake, forever, until_timer};
mtype sleep_until = awake;
bool armed, due, fired, poller_woken;
byte begun;                       // goroutines that ran
byte in_hands;                    // what the poller's sleeper found and has not queued
byte out = BLOCKERS;              // goroutines in blocking()
chan handed = [MACHINES] of { bool };  // processors on their way to a machine: whether it spins

#define watched (polling || !armed)

// take_idle_processor: `got` tells whether there was one.
inline take_idle_processor(got) {
  atomic { if :: idle_count > 0 -> idle_count--; got = true :: else -> got = false fi }
}

// start_machine: any machine that sleeps, or a new one.
inline start_machine(spins) { handed!spins }

inline wake_processor() {
  do
  :: idle_count == 0 -> break
  :: else ->
     atomic { if :: spinning == 0 -> spinning = 1; won = true :: else -> won = false fi };
     if
     :: !won -> break
     :: else ->
        take_idle_processor(got);
        if
        :: got -> start_machine(true); break
        :: else -> spinning--;
#ifdef NO_SECOND_LOOK
           break
#endif
        fi
     fi
  od;
  won = false; got = false
}

inline hand_off() {
  if
  :: work > 0 || !watched -> start_machine(false)
  :: else ->
     idle_count++;
#ifdef NO_WATCH
     if :: work > 0 -> wake_processor() :: else -> skip fi
#else
     if :: work > 0 || !watched -> wake_processor() :: else -> skip fi
#endif
  fi
}

proctype submitter() {
  bool won, got;
#ifdef NO_PUSH_BARRIER
  bool none_spins;
  none_spins = idle_count > 0 && spinning == 0;
  work++;
  if :: none_spins -> wake_processor() :: else -> skip fi
#else
  work++;
  wake_processor()
#endif
}

proctype armer() {
  bool won, got; mtype until;
  armed = true;
  until = sleep_until;
  if
  :: until == awake ->
     if :: idle_count > 0 && !polling -> wake_processor() :: else -> skip fi  // ensure_watched
  :: until == forever -> poller_woken = true
  :: else -> skip
  fi
}

active proctype clock() {
end:
  (armed) -> due = true
}

#define many(count, what) n = 0; do :: n < count -> run what; n++ :: else -> n = 0; break od

init {
  byte n;
  atomic {
    many(MACHINES, machine());
    many(SUBMITTERS, submitter());
    many(ARMERS, armer());
    many(BLOCKERS, blocker())
  }
}

// blocker: end_blocking, then begin_blocking for good, which `out` no longer counts: what it waits
// for has come.
proctype blocker() {
  bool won, got;
  take_idle_processor(got);
  if
  :: got -> got = false; out--; hand_off()
  :: else -> work++; wake_processor(); out--
  fi
}

proctype machine() {
  bool won, got, has_p, spins; byte found; mtype until;
sleep_machine:
end:
  atomic { handed?spins -> has_p = true; until = 0 };
find_runnable:
  // Timers, queues.
  atomic { if :: armed && due -> armed = false; fired = true; work++ :: else -> skip fi };
  atomic { if :: work > 0 -> work--; got = true :: else -> got = false fi };
  if
  :: got ->
     got = false;
     if
     :: spins ->
        spins = false; spinning--;
#ifndef NO_LAST_SPINNER
        if :: work > 0 || !watched -> wake_processor() :: else -> skip fi
#endif
     :: else -> skip
     fi;
     begun++;
     (begun >= MEET);  // the goroutine runs, and waits in user code for others to run too
     goto find_runnable
  :: else -> skip
  fi;
  if :: !spins -> if :: spinning++; spins = true; goto find_runnable :: true fi :: else -> skip fi;
  // go_idle
#ifdef NO_IDLE_BARRIER
  found = work;
#endif
  atomic { has_p = false; idle_count++ };
  if :: spins -> spins = false; spinning-- :: else -> skip fi;
#ifndef NO_IDLE_BARRIER
  found = work;
#endif
  if
  :: found > 0 ->
     found = 0;
     take_idle_processor(got);
     if :: got -> got = false; has_p = true; spinning++; spins = true; goto find_runnable :: else fi
  :: else -> skip
  fi;
rest:
  atomic { if :: !polling -> polling = true; won = true :: else -> won = false fi };
  if
  :: !won -> goto sleep_machine
  :: else -> won = false
  fi;
  // sleep_in_poller
#ifdef NO_HEAP_BARRIER
  until = (armed -> until_timer : forever);
  sleep_until = until;
#else
  sleep_until = forever;
  until = (armed -> until_timer : forever);
  sleep_until = until;
#endif
  // looks_dead, under the lock
  d_step {
    if
    :: idle_count == PROCESSORS && out == 0 && spinning == 0 && work == 0 && !armed ->
       assert(in_hands == 0)
    :: else -> skip
    fi
  };
end_poller:
  if
  :: poller_woken -> poller_woken = false
  :: until == until_timer && due -> skip
  fi;
  sleep_until = awake;
  until = 0;
  take_idle_processor(got);
  if :: got -> has_p = true; spinning++; spins = true :: else -> skip fi;
#ifdef EARLY_LEAVE
  polling = false;
#endif
  // Without a processor: what is due goes to the global queue.
  atomic {
    if :: !got && armed && due -> armed = false; fired = true; in_hands++ :: else -> skip fi
  };
  got = false;
  if :: in_hands > 0 && !has_p -> atomic { in_hands--; work++ }; wake_processor() :: else -> skip fi;
#ifndef EARLY_LEAVE
  polling = false;
#endif
  if :: has_p -> goto find_runnable :: else -> goto rest fi
}

active proctype observer() {
end:
  timeout -> assert(work == 0 && begun >= MEET && fired == (ARMERS > 0))
}
