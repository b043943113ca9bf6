// park: the waiter's word (src/sched/waiter.h). One waiter waits ROUNDS times, the second time for
// something else; a timer claims each wait, two claimers each claim a wait they learned of at some
// time, perhaps long ago; a dump holds the waiter to read its stack.
//
// Checked: of all claims of one wait exactly one wins (I2), a claim with an old ticket never does
// (I1); a waiter is queued once for each wait, after its context was saved, and goes on with a token;
// nobody runs on the stack a dump reads (I4); no wake-up is lost (no invalid end state).
//
// NO_EXCHANGE  try_park() stores instead of exchanging
// NO_TICKET    claim() looks at the phase alone
// NO_SCAN      claim() does not wait for the dump
//
// verify:
// refute: -DNO_EXCHANGE
// refute: -DNO_TICKET
// refute: -DNO_SCAN

#define ROUNDS 2
mtype = {running, armed, parked, claimed};

typedef word { byte ticket; byte by; mtype phase; bool scan };
word w;
byte published;           // the newest ticket that a queue knows
byte winners[ROUNDS + 1]; // claims that won, by ticket
byte queued;              // how often the waiter stands in a run queue
bool saved;               // its context is saved, it runs nowhere
bool reading;             // a dump reads its stack

inline load(o) { d_step { o.ticket = w.ticket; o.by = w.by; o.phase = w.phase; o.scan = w.scan } }
#define same(o) (w.ticket == o.ticket && w.by == o.by && w.phase == o.phase && w.scan == o.scan)

inline make_runnable() { d_step { queued++; assert(queued == 1 && saved) } }

inline claim(t, token) {
  do
  :: load(o);
     if
#ifndef NO_TICKET
     :: o.ticket != t -> break
#endif
     :: else ->
        if
        :: o.phase != armed && o.phase != parked -> break
#ifndef NO_SCAN
        :: (o.phase == armed || o.phase == parked) && o.scan -> skip
        :: (o.phase == armed || o.phase == parked) && !o.scan ->
#else
        :: o.phase == armed || o.phase == parked ->
#endif
           atomic {
             if
             :: same(o) ->
                w.by = token; w.phase = claimed; w.scan = false;
                assert(w.ticket == t);
                winners[t]++; assert(winners[t] == 1);
                won = true
             :: else -> skip
             fi
           };
           if
           :: won -> if :: o.phase == parked -> make_runnable() :: else -> skip fi; break
           :: else -> skip
           fi
        fi
     fi
  od
}

proctype timer(byte t) {
  word o; bool won = false;
  (published >= t);
  claim(t, 1)
}

active [2] proctype claimer() {
  word o; bool won = false; byte t;
  d_step { (published > 0) -> t = published };
  claim(t, 2 + _pid)
}

active proctype dump() {
  word o;
end:
  do
  :: w.phase == parked && !w.scan ->
     load(o);
     if
     :: o.phase == parked && !o.scan ->
        atomic {
          if :: same(o) -> w.scan = true; reading = true :: else -> skip fi
        };
        if
        :: reading -> assert(saved); reading = false;
           d_step { w.scan = false }; break  // drop_hold
        :: else -> skip
        fi
     :: else -> skip
     fi
  od
}

active proctype waiter() {
  word o; byte round = 0;
  run timer(1); run timer(2);
  w.phase = running;
  do
  :: round < ROUNDS ->
     round++;
     d_step { w.ticket++; w.by = 0; w.phase = armed };  // arm
     published = round;                                 // enters a queue
     saved = true;                                      // the switch; from here on the next stack
     load(o);                                           // try_park
     if
     :: o.phase != armed -> make_runnable()
     :: else ->
#ifdef NO_EXCHANGE
        d_step { w.by = o.by; w.phase = parked }
#else
        atomic {
          if
          :: same(o) -> w.phase = parked
          :: else -> make_runnable()
          fi
        }
#endif
     fi;
     d_step { (queued > 0) -> queued--; assert(!reading); saved = false };
     d_step { assert(w.phase == claimed && w.by != 0); w.phase = running }  // resume
  :: else -> break
  od
}
