// How the page of a run lies on the screen.
const box = element => element.getBoundingClientRect();
const answers = [...document.querySelectorAll('dl.answer dd')];
const pictures = [...document.images];
return {
  width: document.documentElement.scrollWidth,
  answers_end: answers.map(answer => box(answer).bottom),
  picture_begins: pictures.length ? box(pictures[0]).top : null,
  empty: pictures.filter(picture => !picture.naturalWidth).length,
  pictures: pictures.length,
  height: document.documentElement.scrollHeight,
  background: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
};
