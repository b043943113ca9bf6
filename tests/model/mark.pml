// mark: a processor is taken from a machine whose goroutine is in blocking() (src/sched/blocking.cc).
// The goroutine marks, is in its call, and takes the mark back, ROUNDS times; another thread looks
// for a mark and takes, TRIES times. A store of the mark waits in the machine's store buffer.
//
// Checked: who left the call without seeing that it is revoked keeps its processor until it marks again;
// who lost it learns of it when it leaves.
//
// NO_BARRIER      who takes makes no barrier between its write of revoked and its second look
// NO_SECOND_LOOK  it takes if the mark was there at the first one
//
// verify: -DROUNDS=3 -DTRIES=3
// refute: -DROUNDS=2 -DTRIES=2 -DNO_BARRIER
// refute: -DROUNDS=2 -DTRIES=2 -DNO_SECOND_LOOK

bool mark;      // in memory
bool buffered;  // on its way there
bool pending;   // whether it is
bool revoked;
bool taken;
bool works;  // outside of the call, with the processor
bool lock;   // scheduler::handoff_lock_

inline store_mark(value) { atomic { !pending -> buffered = value; pending = true } }
inline drain() { d_step { if :: pending -> mark = buffered; pending = false :: else -> skip fi } }
inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

proctype store_buffer() {
end:
  do :: d_step { pending -> mark = buffered; pending = false } od
}

proctype goroutine() {
  byte n;
  do
  :: n < ROUNDS ->
     n++;
     works = false;
     store_mark(true);  // the call
     store_mark(false);
     if
     :: !revoked -> skip
     :: revoked -> drain(); acquire(); revoked = false; taken = false; release()  // takes one again
     fi;
     d_step { works = true; assert(!taken) }
  :: else -> break
  od
}

proctype taker() {
  byte n;
  do
  :: n < TRIES ->
     n++;
     if
     :: !mark -> skip
     :: mark ->
        acquire();
        revoked = true;
#ifndef NO_BARRIER
        drain();
#endif
#ifndef NO_SECOND_LOOK
        if :: !mark -> skip :: mark -> d_step { assert(!works); taken = true } fi;
#else
        d_step { assert(!works); taken = true };
#endif
        release()
     fi
  :: else -> break
  od
}

init { atomic { run store_buffer(); run goroutine(); run taker() } }
