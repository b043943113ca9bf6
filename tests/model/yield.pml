// yield: who needs no wake-up (src/sched/dispatch.cc: finish_switch, demote_young). On a machine with
// a processor a goroutine yields, or parks, and it goes on with one that computes for ever; the other
// processor idles, or is just giving up looking. A thread may push into the queue of all.
//
// Checked when nothing can happen any more: nothing is queued while a processor idles.
//
// NO_SHARED_LOOK   who yields into the queue of all at home tells nobody (as of high or low priority)
// NO_DIRECT_WAKE   who yields to another goroutine, without coming home, tells nobody
// NO_DEMOTE_LOOK   what goes from queue to queue is never told of
//
// verify: -DTHREADS=0
// verify: -DTHREADS=1
// refute: -DTHREADS=0 -DNO_SHARED_LOOK
// refute: -DTHREADS=0 -DNO_DIRECT_WAKE
// refute: -DTHREADS=0 -DNO_DEMOTE_LOOK

byte young, roots;  // of the machine's processor
byte shared;        // the queues of all
bool idle;          // the other processor
bool spins;         // or its machine looks for work

// wake_processor
inline wake() {
  atomic { if :: idle && !spins -> idle = false; spins = true :: else -> skip fi }
}

// pick_queued: takes one of the processor's own, if there is one.
inline pick_queued() {
  if
  :: atomic { young > 0 -> young--; picked = true }
  :: young > 0 ->  // the budget is spent
     do
     :: atomic { young > 0 -> young--; moving = true };
        atomic { if :: roots++ :: shared++ fi; moving = false }  // shared: the roots are full
     :: young == 0 -> break
     od;
#ifndef NO_DEMOTE_LOOK
     if :: roots > 1 || shared > 0 -> wake() :: else -> skip fi;
#endif
     atomic { if :: roots > 0 -> roots--; picked = true :: else -> skip fi }
  :: atomic { young == 0 && roots > 0 -> roots--; picked = true }
  :: atomic { young == 0 && roots == 0 -> skip }
  fi
}

proctype machine() {
  bool home, picked, moving, to_all, parks;
  if :: parks = true :: parks = false fi;
  // yield_current, park_current
  if :: home = true :: home = false fi;  // home_is_due
  if :: to_all = true :: to_all = false fi;
  if :: !home -> pick_queued() :: else -> skip fi;
  if :: !parks && !home && !picked && shared == 0 -> goto goes_on :: else -> home = !picked fi;
  // finish_switch
  if :: parks && !home -> goto goes_on :: parks && home -> goto find_runnable :: else -> skip fi;
  if :: to_all -> shared++ :: else -> roots++ fi;
  if
#ifndef NO_DIRECT_WAKE
  :: !home -> wake()
#endif
#ifndef NO_SHARED_LOOK
  :: home && shared > 0 -> wake()
#endif
  :: else -> skip
  fi;
  if :: !home -> goto goes_on :: else -> skip fi;
find_runnable:  // a look at the network may bring one, which is told to nobody.
  if :: roots++ :: true fi;
  if
  :: atomic { shared > 0 -> shared--; picked = true }
  :: pick_queued()
  fi;
  if
  :: !picked -> atomic { if :: shared > 0 -> shared--; picked = true :: else -> skip fi }
  :: else -> skip
  fi;
  // machine_loop
  if :: young > 0 || roots > 0 -> wake() :: else -> skip fi;
goes_on:
end:
  false  // it computes
}

// other: the machine that a wake-up reaches. It takes one and computes too, or gives up.
proctype other() {
  bool seen;
end:
  do
  :: spins ->
     if
     :: atomic { shared > 0 -> shared--; spins = false }; break
     :: atomic { young > 0 -> young--; spins = false }; break
     :: atomic { roots > 0 -> roots--; spins = false }; break
     :: true ->  // it has found nothing: go_idle
        atomic { idle = true; spins = false };
        seen = shared > 0;
        seen = seen || young > 0;
        seen = seen || roots > 0;
        if
        :: seen -> wake()
        :: else -> skip
        fi;
        seen = false
     fi
  od;
  // What it left is its business: stop_spinning.
  if :: young > 0 || roots > 0 || shared > 0 -> wake() :: else -> skip fi
}

proctype thread() {
  shared++;
  wake()
}

init {
  byte n;
  atomic {
    if :: young = 0 :: young = 1 :: young = 2 fi;
    if :: roots = 0 :: roots = 1 fi;
    if :: young + roots == 0 -> idle = true :: else -> spins = true fi;
    run machine();
    run other();
    do :: n < THREADS -> run thread(); n++ :: else -> break od
  }
}

active proctype observer() {
end:
  timeout -> assert(!idle || (young == 0 && roots == 0 && shared == 0))
}
