// mutex: the word and the queue (src/sync/mutex.cc, waiters.h). LOCKERS lock and unlock ROUNDS
// times each; those in LIMITED (a mask) have a limit, which ends one of their waits, whenever it
// likes, or none. A waiter starves when it was woken in vain PATIENCE times; who is handed the
// mutex ends the mode or not, as the clock may say. Spinning is a try like the first one.
//
// Checked: one owner at a time, and only it unlocks; a free mutex that somebody waits for has woken
// set, a starving one is never free (I3); who has announced that it starves is passed by nobody;
// nobody waits for ever; in the end the mutex is free and nobody is in the queue. And whoever lets
// the queue's lock go when the mutex is no longer its own does so while somebody is in lock() who
// needs that lock: so whoever has it last may destroy it.
//
// NO_RETRY      who enters the queue does not try again under its lock
// NO_WOKEN      who was woken does not take `woken` back when it waits again
// NO_STARVING   nobody announces that it starves
// NO_HANDOVER   a starving mutex becomes free, and its first waiter is woken
// NO_NEXT       who lost the claim of the first waiter does not go to the next
// NO_LOOK       who unlocks gives the mutex up though nobody is in the queue any more
// TO_BACK       who was woken in vain enters the queue behind the others
//
// verify: -DLOCKERS=3 -DROUNDS=2 -DLIMITED=0 -DPATIENCE=1
// verify: -DLOCKERS=3 -DROUNDS=1 -DLIMITED=7 -DPATIENCE=1
// verify: -DLOCKERS=2 -DROUNDS=4 -DLIMITED=3 -DPATIENCE=2
// verify: -DLOCKERS=3 -DROUNDS=2 -DLIMITED=1 -DPATIENCE=2
// refute: -DLOCKERS=2 -DROUNDS=1 -DLIMITED=0 -DPATIENCE=1 -DNO_RETRY
// refute: -DLOCKERS=3 -DROUNDS=2 -DLIMITED=0 -DPATIENCE=2 -DNO_WOKEN
// refute: -DLOCKERS=2 -DROUNDS=3 -DLIMITED=0 -DPATIENCE=1 -DNO_STARVING
// refute: -DLOCKERS=2 -DROUNDS=3 -DLIMITED=0 -DPATIENCE=1 -DNO_HANDOVER
// refute: -DLOCKERS=3 -DROUNDS=1 -DLIMITED=7 -DPATIENCE=1 -DNO_NEXT
// refute: -DLOCKERS=2 -DROUNDS=1 -DLIMITED=3 -DPATIENCE=1 -DNO_LOOK
// refute: -DLOCKERS=3 -DROUNDS=3 -DLIMITED=0 -DPATIENCE=1 -DTO_BACK

#define nobody 255

mtype = {ready, handed, limit};

byte owner = nobody;            // the word: owner | woken | starving | waiting
bool woken, starving, waiting;
bool locked;                    // waiters::lock
byte queue[LOCKERS];
byte queued;
bool open[LOCKERS];             // its wait is not decided
byte ticket[LOCKERS];
mtype by[LOCKERS];              // what decided it
bool starves[LOCKERS];          // it has announced so, and waits
byte inside, ended;
byte coming;                    // who is in lock(), and needs the queue's lock before it returns

#define check_word assert((owner != nobody || !starving) && (owner != nobody || !waiting || woken))

inline lock_queue() { atomic { !locked -> locked = true } }
inline unlock_queue() { locked = false }

inline push_back(x) { queue[queued] = x; queued++ }
inline push_front(x) {
  i = queued;
  do :: i > 0 -> queue[i] = queue[i - 1]; i-- :: else -> break od;
  queue[0] = x;
  queued++
}
// take_out: the i-th of the queue.
inline take_out() {
  queued--;
  do :: i < queued -> queue[i] = queue[i + 1]; i++ :: else -> break od;
  queue[queued] = 0;
  i = 0
}

// owns: by taking it, not by being handed it.
inline owns(x) {
  owner = x;
  starves[x] = false;
  i = 0;
  do :: i < LOCKERS -> assert(!starves[i]); i++ :: else -> break od;
  i = 0
}

inline claim(x, token) {
  d_step {
    won = open[x];
    if
    :: won -> open[x] = false; by[x] = token; starves[x] = starves[x] && token != limit
    :: else
    fi
  }
}

// hand_over, wake_one: of unlock_slow(), with the lock.
inline hand_over() {
  won = false;
  do
  :: !won && queued > 0 ->
     d_step { first = queue[0]; i = 0; take_out() };
     if :: over = true :: over = (queued == 0) fi;
     d_step { owner = first; waiting = queued > 0; starving = !over; check_word };
     claim(first, handed)
#ifdef NO_NEXT
     ; break
#endif
  :: else -> break
  od;
#ifdef NO_NEXT
  if :: true -> skip
#else
  if
  :: !won -> d_step { owner = nobody; starving = false; waiting = false; check_word }
  :: else
#endif
  fi
}

inline wake_one() {
  won = false;
  do
  :: !won && queued > 0 ->
     d_step { first = queue[0]; i = 0; take_out() };
     claim(first, ready)
#ifdef NO_NEXT
     ; break
#endif
  :: else -> break
  od;
  atomic {
    owner = nobody;
    woken = won; waiting = won && queued > 0; starving = false;
#ifndef NO_HANDOVER
    check_word
#endif
  }
}

inline unlock(me) {
  assert(owner == me);
  inside--;
  do
  :: atomic { !starving && (!waiting || woken) -> owner = nobody; check_word; break }
  :: else ->
     lock_queue();
     if
#ifndef NO_LOOK
     :: queued == 0 -> atomic { waiting = false; starving = false; unlock_queue() }
#endif
     :: else ->
#ifdef NO_HANDOVER
        wake_one();
#else
        if :: starving -> hand_over() :: else -> wake_one() fi;
#endif
        atomic { assert(coming > 0); unlock_queue() };
        break
     fi
  od;
  skip
}

// take_or_announce: with the lock.
inline take_or_announce() {
  d_step {
#ifndef NO_WOKEN
    if :: was_woken -> woken = false :: else fi;
#endif
#ifdef NO_RETRY
    if
    :: true -> waiting = true
#else
    if
    :: owner == nobody -> owns(me); in = true
    :: else ->
       waiting = true;
#ifndef NO_STARVING
       if :: vain >= PATIENCE -> starving = true :: else fi;
#endif
       starves[me] = vain >= PATIENCE
#endif
    fi
  }
}

// lock_slow: `in` says whether it was taken.
inline lock_slow() {
  coming++;
  do
  :: lock_queue();
     take_or_announce();
     if
     :: in -> atomic { unlock_queue(); coming-- }; break
     :: else
     fi;
     d_step {
       ticket[me]++; open[me] = true;
#ifdef TO_BACK
       push_back(me);
#else
       if :: was_woken -> push_front(me) :: else -> push_back(me) fi;
#endif
       unlock_queue()
     };
     (!open[me]);  // parked
     if
     :: by[me] == handed -> starves[me] = false; atomic { !locked -> coming--; in = true }; break
     :: by[me] == ready -> (!locked); was_woken = true; vain++
     :: else ->
        atomic {
          lock_queue();
          do
          :: i < queued && queue[i] != me -> i++
          :: else -> break
          od;
          if :: i < queued -> take_out() :: else -> i = 0 fi;
          if :: queued == 0 -> waiting = false; starving = false :: else fi;
          unlock_queue();
          coming--
        };
        break
     fi
  od
}

proctype locker(byte me) {
  byte round, first, i, vain;
  bool in, was_woken, won, over;
  do
  :: round < ROUNDS ->
     round++;
     if
     :: atomic { owner == nobody -> owns(me); in = true }
     :: else -> lock_slow()
     fi;
     if
     :: in ->
        inside++;
        assert(inside == 1);
        unlock(me)
     :: else
     fi;
     d_step { in = false; was_woken = false; won = false; over = false; vain = 0; first = 0 }
  :: else -> break
  od;
  ended++
}

proctype limit_of(byte x) {
  bool won;
end:
  (open[x]);
  if :: claim(x, limit) :: true fi
}

init {
  byte n;
  atomic {
    do
    :: n < LOCKERS ->
       if :: (LIMITED >> n) & 1 -> run limit_of(n) :: else fi;
       run locker(n);
       n++
    :: else -> break
    od
  };
  (ended == LOCKERS);
  assert(owner == nobody && queued == 0 && !locked)
}
