// handoff: a processor is taken from a machine in user code, without its help (src/sched/gate.h,
// src/sched/monitor.cc). Each machine enters the runtime ROUNDS times, uses the processor it holds,
// or exchanges it for another one, or takes an idle one if it has none, and leaves; then it exits.
// The monitor tries TRIES times, each time with a machine of its choice that it sampled earlier. A
// store of the sequence waits in the machine's store buffer; a locked instruction drains it.
//
// Checked: a processor is held once and used by one at a time (I1, I3); none is lost: when all have
// exited, all are idle.
//
// NO_BARRIER   the monitor makes no barrier between its write of revoked and its read of seq
// NO_SEQUENCE  the monitor reads the processor when it samples, and then looks only whether the
//              machine is outside
// NO_LOCK      a machine that finds itself revoked does not wait for who revokes
//
// verify: -DMACHINES=2 -DPROCESSORS=2 -DROUNDS=3 -DTRIES=3
// verify: -DMACHINES=3 -DPROCESSORS=2 -DROUNDS=1 -DTRIES=1
// refute: -DMACHINES=2 -DPROCESSORS=2 -DROUNDS=2 -DTRIES=2 -DNO_BARRIER
// refute: -DMACHINES=2 -DPROCESSORS=2 -DROUNDS=2 -DTRIES=2 -DNO_SEQUENCE
// refute: -DMACHINES=2 -DPROCESSORS=2 -DROUNDS=2 -DTRIES=2 -DNO_LOCK

#define none 255

byte seq[MACHINES];        // in memory
byte buffered[MACHINES];   // on its way there
bool pending[MACHINES];    // whether it is
bool revoked[MACHINES];
byte p[MACHINES] = none;   // machine::p
bool lock;                 // scheduler::handoff_lock_
byte held[PROCESSORS];     // by how many machines
byte used[PROCESSORS];
bool idle[PROCESSORS] = true;
byte exited;

inline store_seq(i, value) { atomic { !pending[i] -> buffered[i] = value; pending[i] = true } }
inline drain(i) {
  d_step {
    if :: pending[i] -> seq[i] = buffered[i]; pending[i] = false :: else -> skip fi
  }
}
inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

inline use(x) {
  d_step { used[x]++; assert(used[x] == 1 && held[x] == 1) };
  used[x]--
}

// put_idle, take_idle: under the scheduler's lock, which drains.
inline put_idle(x) { d_step { held[x]--; assert(!idle[x] && held[x] == 0); idle[x] = true; x = none } }
inline take_idle(x) {
  d_step {
    x = 0;
    do
    :: x < PROCESSORS && !idle[x] -> x++
    :: x < PROCESSORS && idle[x] -> idle[x] = false; held[x]++; assert(held[x] == 1); break
    :: x == PROCESSORS -> x = none; break
    od
  }
}

proctype store_buffers() {
end:
  do
  :: d_step { pending[0] -> seq[0] = buffered[0]; pending[0] = false }
  :: d_step { pending[1] -> seq[1] = buffered[1]; pending[1] = false }
#if MACHINES > 2
  :: d_step { pending[2] -> seq[2] = buffered[2]; pending[2] = false }
#endif
  od
}

inline enter() {
  s++; store_seq(i, s);
  if
  :: !revoked[i] -> skip
  :: revoked[i] ->
     drain(i);
#ifdef NO_LOCK
     revoked[i] = false
#else
     acquire(); revoked[i] = false; release()
#endif
  fi
}

proctype machine(byte i) {
  byte s = 1, n, x;
  take_idle(x); p[i] = x; x = none;
  s++; store_seq(i, s);
  do
  :: n < ROUNDS ->
     n++;
     enter();
     x = p[i];
     if
     :: x != none -> use(x)
     :: x == none -> drain(i); take_idle(x); p[i] = x   // an operation that may wait
     :: x == none -> skip                               // one that cannot
     fi;
     x = p[i];
     if
     :: x != none -> drain(i); put_idle(x); take_idle(x); p[i] = x  // parks, and goes on
     :: skip
     fi;
     x = none;
     s++; store_seq(i, s)
  :: else -> break
  od;
  enter();
  x = p[i]; p[i] = none;
  if :: x != none -> drain(i); put_idle(x) :: else -> skip fi;
  exited++
}

proctype monitor() {
  byte tries, i, sampled, x = none;
  do
  :: tries < TRIES ->
     tries++;
     // Machines are alike: the first it tries may be called 0, the next 0 or 1.
     i = 0;
     do :: i + 1 < tries && i + 1 < MACHINES -> i++ :: break od;
     sampled = seq[i];
#ifdef NO_SEQUENCE
     x = p[i];
#endif
     if
     :: sampled % 2 == 1 -> skip
     :: else ->
        acquire();
        revoked[i] = true;
#ifndef NO_BARRIER
        drain(i);
#endif
        if
#ifdef NO_SEQUENCE
        :: seq[i] % 2 == 1 -> skip
        :: else -> p[i] = none
#else
        :: seq[i] != sampled -> skip  // it stays revoked, and finds that it has lost nothing
        :: else -> x = p[i]; p[i] = none
#endif
        fi;
        release();
        if :: x != none -> use(x); put_idle(x) :: else -> skip fi
     fi;
     x = none
  :: else -> break
  od
}

init {
  byte n;
  atomic {
    do :: n < MACHINES -> seq[n] = 1; n++ :: else -> n = 0; break od;
    run store_buffers();
    run monitor();
    do :: n < MACHINES -> run machine(n); n++ :: else -> n = 0; break od
  }
}

active proctype observer() {
  byte n;
end:
  timeout;
  assert(exited == MACHINES);
  do
  :: n < PROCESSORS -> assert(idle[n] && held[n] == 0); n++
  :: else -> break
  od
}
