"use strict";
(function () {
	var form = document.getElementById("filter");
	if (!form) { return; }
	var shown = document.getElementById("shown");
	var cases = Array.prototype.slice.call(document.querySelectorAll("details.case"));
	var texts = [];

	// text is what a case says, in lower case, without the headings of tables, which all have; it is
	// read when it is first asked for.
	function text(i) {
		if (texts[i] === undefined) {
			var all = [], walker = document.createTreeWalker(cases[i], NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, function (node) {
				return node.nodeName === "THEAD" ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT;
			});
			while (walker.nextNode()) {
				if (walker.currentNode.nodeType === Node.TEXT_NODE) { all.push(walker.currentNode.nodeValue); }
			}
			texts[i] = all.join(" ").toLowerCase();
		}
		return texts[i];
	}

	// found tells whether something that was found of a case is asked for.
	function found(group, outcome, target) {
		var data = group.dataset;
		var asked = !outcome || (outcome === "!" ? data.passed !== "true" : data.outcome === outcome);
		return asked && (!target || data.targets === "" || data.targets.indexOf("|" + target + "|") >= 0);
	}

	function value(name) { return form.elements[name] ? form.elements[name].value : ""; }

	function apply() {
		var words = value("words").toLowerCase().split(/\s+/).filter(Boolean);
		var outcome = value("outcome"), level = value("level"), area = value("area"), target = value("target");
		var count = 0;
		cases.forEach(function (one, i) {
			var any = false;
			one.querySelectorAll(".group").forEach(function (group) {
				group.hidden = !found(group, outcome, target);
				any = any || !group.hidden;
			});
			one.hidden = !any || (level && one.dataset.level !== level) || (area && one.parentNode.dataset.area !== area) ||
				!words.every(function (word) { return text(i).indexOf(word) >= 0; });
			if (!one.hidden) { count++; }
		});
		document.querySelectorAll("section.area").forEach(function (section) {
			section.hidden = !section.querySelector("details.case:not([hidden])");
		});
		shown.textContent = count === cases.length ? count + " cases" : count + " of " + cases.length + " cases are shown";
	}

	// reveal opens the case that a link leads to, and shows it where a filter hides it.
	function reveal() {
		var id = "";
		try { id = decodeURIComponent(location.hash.slice(1)); } catch (e) { return; }
		var to = id && document.getElementById(id);
		if (!to) { return; }
		var one = to.closest("details.case");
		if (to.closest("[hidden]")) {
			form.reset();
			apply();
		}
		if (one) { one.open = true; }
		to.scrollIntoView();
	}

	form.addEventListener("input", apply);
	form.addEventListener("submit", function (event) { event.preventDefault(); });
	form.addEventListener("reset", function () { setTimeout(apply, 0); });
	document.getElementById("open").addEventListener("click", function () {
		cases.forEach(function (one) { if (!one.hidden) { one.open = true; } });
	});
	document.getElementById("close").addEventListener("click", function () {
		cases.forEach(function (one) { one.open = false; });
	});
	window.addEventListener("hashchange", reveal);
	form.hidden = false;
	apply();
	reveal();
})();
