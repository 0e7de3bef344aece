/**
 * Sentences and halves of sentences that everybody knows, and that are tried first for it: the estimator has lists of words and of passwords, not of these, and takes their
 * words for ones that somebody chose by chance.
 */
const PHRASES = [
  "a long time ago",
  "all your base are belong to us",
  "correct horse battery staple",
  "four score and seven years ago",
  "gently down the stream",
  "hallowed be thy name",
  "how i wonder what you are",
  "humpty dumpty sat on a wall",
  "i shall not want",
  "i think therefore i am",
  "in a galaxy far far away",
  "in a land far far away",
  "in the beginning god created",
  "in the beginning was the word",
  "it was a dark and stormy night",
  "it was the best of times",
  "it was the worst of times",
  "jumped over the lazy dog",
  "jumps over the lazy dog",
  "lorem ipsum dolor sit amet",
  "mary had a little lamb",
  "may the force be with you",
  "never gonna give you up",
  "never gonna let you down",
  "once upon a time",
  "one ring to rule them all",
  "our father who art in heaven",
  "roses are red",
  "row row row your boat",
  "that is the question",
  "the heaven and the earth",
  "the heavens and the earth",
  "the lord is my shepherd",
  "the quick brown fox",
  "to be or not to be",
  "twinkle twinkle little star",
  "violets are blue",
  "we the people of the united states",
];

/** What stands between words. */
const SEPARATORS = [" ", "", "-", "_", "."];

export const knownPhrases: string[] = PHRASES.flatMap((phrase) => SEPARATORS.map((separator) => phrase.replaceAll(" ", separator)));
