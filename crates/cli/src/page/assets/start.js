// Shows the page, and then, when it has been drawn, loads the core of the filter for the request box.

const box = data.page === 'difference' ? startDifference() : startRoutes();
followChanges();
addEventListener('load', () => {
  setTimeout(() => loadGateways().then(gateways => box.connect(gateways), error => box.fail(error)));
});
